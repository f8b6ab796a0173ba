{{/* Every name and label is quoted where it is used: a release may be called y or 1. */}}

{{- define "touchline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The chart's name comes first, because a Service's name must begin with a letter and a release's need not. */}}
{{- define "touchline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if hasPrefix (include "touchline.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (include "touchline.name" .) .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change: what selectors select by. Takes (dict "root" $ "component" "api"). */}}
{{- define "touchline.selector" -}}
app.kubernetes.io/name: {{ include "touchline.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- with .component }}
app.kubernetes.io/component: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "touchline.labels" -}}
{{ include "touchline.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
app.kubernetes.io/part-of: "touchline"
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{/* Takes (dict "root" $ "image" "tracking"). */}}
{{- define "touchline.image" -}}
{{- printf "%s/%s:%s" .root.Values.image.registry .image (default .root.Chart.AppVersion .root.Values.image.tag) | quote -}}
{{- end -}}

{{- define "touchline.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "touchline.fullname" .) .Values.serviceAccount.name | quote -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name | quote -}}
{{- end -}}
{{- end -}}

{{- define "touchline.secretName" -}}
{{- default (include "touchline.fullname" .) .Values.secrets.existingSecret | quote -}}
{{- end -}}

{{/* What the restricted pod security profile asks of a pod. */}}
{{- define "touchline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* … and of a container. */}}
{{- define "touchline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: ["ALL"]
{{- end -}}

{{/* One variable from the Secret. Takes (dict "secret" <quoted name> "key" "REDIS_URL"). */}}
{{- define "touchline.secretEnv" -}}
- name: {{ .key | quote }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key | quote }}
{{- end -}}

{{/*
One of the chart's keys, in base64 as Kubernetes wants it: as given, else what the
cluster holds already, else (only where asked for) a new one.
Takes (dict "root" $ "given" <value> "value" "secrets.x" "key" "X" "prefix" "").
*/}}
{{- define "touchline.secretValue" -}}
{{- $held := (lookup "v1" "Secret" .root.Release.Namespace (include "touchline.fullname" .root)).data | default dict -}}
{{- if .given -}}
{{- .given | b64enc | quote -}}
{{- else if and .root.Values.secrets.generate .generated -}}
{{- get $held .key | default (printf "%s%s" .prefix (randBytes 32) | b64enc) | quote -}}
{{- else -}}
{{- required (printf "set %s, or secrets.existingSecret%s" .value (ternary ", or secrets.generate" "" .generated)) .given | quote -}}
{{- end -}}
{{- end -}}
