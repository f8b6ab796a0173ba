// Sends what a shop's server would send with @segment/analytics-node.
// argv[2]: JSON {host, writeKey, userId, phone, orderId, value, currency}
import { Analytics } from '@segment/analytics-node'

const { host, writeKey, userId, phone, orderId, value, currency } = JSON.parse(process.argv[2])
const analytics = new Analytics({ writeKey, host, path: '/v1/batch' })
const faults = []
analytics.on('error', (fault) => faults.push(String(fault.reason ?? fault.code ?? fault)))
analytics.identify({ userId, traits: { phone } })
analytics.track({ userId, event: 'Order Completed', properties: { order_id: orderId, value, currency } })
await analytics.closeAndFlush({ timeout: 180_000 })
console.log(JSON.stringify({ faults }))
