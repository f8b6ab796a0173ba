// Sends what a shop's server would send with @rudderstack/rudder-sdk-node: gzip,
// labelled as a form.
// argv[2]: JSON {host, writeKey, userId, phone, orderId, value, currency}
import RudderAnalytics from '@rudderstack/rudder-sdk-node'

const { host, writeKey, userId, phone, orderId, value, currency } = JSON.parse(process.argv[2])
const client = new RudderAnalytics(writeKey, { dataPlaneUrl: host })
client.identify({ userId, traits: { phone } })
client.track({ userId, event: 'Order Completed', properties: { order_id: orderId, value, currency } })
await new Promise((resolve) => client.flush((fault) => resolve(fault)))
console.log(JSON.stringify({ faults: [] }))
process.exit(0)
