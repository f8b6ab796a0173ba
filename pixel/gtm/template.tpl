___TERMS_OF_SERVICE___

By creating or modifying this file you agree to Google Tag Manager's Community
Template Gallery Developer Terms of Service available at
https://developers.google.com/tag-manager/gallery-tos (or such other URL as
Google may provide), as modified from time to time.


___INFO___

{
  "type": "TAG",
  "id": "cvt_temp_public_id",
  "version": 1,
  "securityGroups": [],
  "displayName": "Touchline",
  "categories": ["ANALYTICS", "ATTRIBUTION", "CONVERSIONS"],
  "brand": {
    "id": "brand_touchline",
    "displayName": "Touchline"
  },
  "description": "Loads the Touchline pixel, or tells it of an event. Page views, click tokens of messages, conversions.",
  "containerContexts": [
    "WEB"
  ]
}


___TEMPLATE_PARAMETERS___

[
  {
    "type": "SELECT",
    "name": "action",
    "displayName": "What the tag does",
    "macrosInSelect": false,
    "selectItems": [
      {"value": "load", "displayValue": "Load the pixel (on all pages, once)"},
      {"value": "track", "displayValue": "Track an event"},
      {"value": "identify", "displayValue": "Say who the visitor is"}
    ],
    "simpleValueType": true,
    "defaultValue": "load"
  },
  {
    "type": "TEXT",
    "name": "script",
    "displayName": "Address of the script",
    "help": "Of the tracking service, or of your own site where it is proxied. The content security policy must allow it.",
    "simpleValueType": true,
    "valueHint": "https://t.example.com/p.js",
    "valueValidators": [{"type": "NON_EMPTY"}, {"type": "REGEX", "args": ["^https://.+"], "errorMessage": "It must begin with https://"}],
    "enablingConditions": [{"paramName": "action", "paramValue": "load", "type": "EQUALS"}]
  },
  {
    "type": "TEXT",
    "name": "key",
    "displayName": "Write key",
    "simpleValueType": true,
    "valueValidators": [{"type": "NON_EMPTY"}],
    "enablingConditions": [{"paramName": "action", "paramValue": "load", "type": "EQUALS"}]
  },
  {
    "type": "TEXT",
    "name": "endpoint",
    "displayName": "Endpoint, if it is not /e beside the script",
    "simpleValueType": true,
    "enablingConditions": [{"paramName": "action", "paramValue": "load", "type": "EQUALS"}]
  },
  {
    "type": "TEXT",
    "name": "use",
    "displayName": "Modules, with commas between",
    "help": "domains, forms, ga4, gcm, links, tcf",
    "simpleValueType": true,
    "enablingConditions": [{"paramName": "action", "paramValue": "load", "type": "EQUALS"}]
  },
  {
    "type": "SELECT",
    "name": "consent",
    "displayName": "Consent",
    "macrosInSelect": false,
    "selectItems": [
      {"value": "mode", "displayValue": "Follow the container's analytics_storage"},
      {"value": "required", "displayValue": "Required; the page itself calls touchline('consent', …)"},
      {"value": "", "displayValue": "Not needed"}
    ],
    "simpleValueType": true,
    "defaultValue": "mode",
    "enablingConditions": [{"paramName": "action", "paramValue": "load", "type": "EQUALS"}]
  },
  {
    "type": "TEXT",
    "name": "event",
    "displayName": "Name of the event",
    "simpleValueType": true,
    "valueHint": "Order Completed",
    "valueValidators": [{"type": "NON_EMPTY"}],
    "enablingConditions": [{"paramName": "action", "paramValue": "track", "type": "EQUALS"}]
  },
  {
    "type": "TEXT",
    "name": "userId",
    "displayName": "User id of your site",
    "simpleValueType": true,
    "enablingConditions": [{"paramName": "action", "paramValue": "identify", "type": "EQUALS"}]
  },
  {
    "type": "SIMPLE_TABLE",
    "name": "properties",
    "displayName": "Properties",
    "simpleTableColumns": [
      {"defaultValue": "", "displayName": "Name", "name": "name", "type": "TEXT"},
      {"defaultValue": "", "displayName": "Value", "name": "value", "type": "TEXT"}
    ],
    "enablingConditions": [
      {"paramName": "action", "paramValue": "track", "type": "EQUALS"},
      {"paramName": "action", "paramValue": "identify", "type": "EQUALS"}
    ]
  }
]


___SANDBOXED_JS_FOR_WEB_TEMPLATE___

const addConsentListener = require('addConsentListener');
const createArgumentsQueue = require('createArgumentsQueue');
const encodeUriComponent = require('encodeUriComponent');
const injectScript = require('injectScript');
const isConsentGranted = require('isConsentGranted');
const makeTableMap = require('makeTableMap');

const STORAGE = 'analytics_storage';
const touchline = createArgumentsQueue('touchline', 'touchline.q');
const properties = data.properties && data.properties.length ? makeTableMap(data.properties, 'name', 'value') : {};

if (data.action === 'track') {
  touchline('track', data.event, properties);
  data.gtmOnSuccess();
} else if (data.action === 'identify') {
  touchline('identify', data.userId, properties);
  data.gtmOnSuccess();
} else {
  let url = data.script + '?key=' + encodeUriComponent(data.key);
  if (data.use) {
    url += '&use=' + encodeUriComponent(data.use);
  }
  if (data.endpoint) {
    url += '&endpoint=' + encodeUriComponent(data.endpoint);
  }
  if (data.consent) {
    url += '&consent=required';
  }
  if (data.consent === 'mode') {
    if (isConsentGranted(STORAGE)) {
      touchline('consent', 'granted');
    }
    addConsentListener(STORAGE, (type, granted) => touchline('consent', granted ? 'granted' : 'denied'));
  }
  injectScript(url, data.gtmOnSuccess, data.gtmOnFailure, url);
}


___WEB_PERMISSIONS___

[
  {
    "instance": {
      "key": {"publicId": "access_globals", "versionId": "1"},
      "param": [
        {
          "key": "keys",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 3,
                "mapKey": [{"type": 1, "string": "key"}, {"type": 1, "string": "read"}, {"type": 1, "string": "write"}, {"type": 1, "string": "execute"}],
                "mapValue": [{"type": 1, "string": "touchline"}, {"type": 8, "boolean": true}, {"type": 8, "boolean": true}, {"type": 8, "boolean": true}]
              },
              {
                "type": 3,
                "mapKey": [{"type": 1, "string": "key"}, {"type": 1, "string": "read"}, {"type": 1, "string": "write"}, {"type": 1, "string": "execute"}],
                "mapValue": [{"type": 1, "string": "touchline.q"}, {"type": 8, "boolean": true}, {"type": 8, "boolean": true}, {"type": 8, "boolean": false}]
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {"isEditedByUser": true},
    "isRequired": true
  },
  {
    "instance": {
      "key": {"publicId": "inject_script", "versionId": "1"},
      "param": [
        {
          "key": "urls",
          "value": {"type": 2, "listItem": [{"type": 1, "string": "https://*/*"}]}
        }
      ]
    },
    "clientAnnotations": {"isEditedByUser": true},
    "isRequired": true
  },
  {
    "instance": {
      "key": {"publicId": "access_consent", "versionId": "1"},
      "param": [
        {
          "key": "consentTypes",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 3,
                "mapKey": [{"type": 1, "string": "consentType"}, {"type": 1, "string": "read"}, {"type": 1, "string": "write"}],
                "mapValue": [{"type": 1, "string": "analytics_storage"}, {"type": 8, "boolean": true}, {"type": 8, "boolean": false}]
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {"isEditedByUser": true},
    "isRequired": true
  }
]


___TESTS___

scenarios: []


___NOTES___

The script takes the parameters of its address as the data attributes of its tag.
