package demo

import "time"

// Door is where a hit enters the tracking service.
type Door int

// The doors, each with its own wire format and proof of origin.
const (
	Messages Door = iota // POST /v1/messages, server key
	Statuses             // POST /v1/messages/statuses, server key
	WhatsApp             // Meta's webhook, signed: Body is one status or one message
	Webhook              // the shop system's webhook, signed
	Pixel                // POST /v1/batch, the browser's write key
	Server               // POST /v1/batch, server key
)

// Hit is one item on its way to the tracking service. At is when it happened,
// UTC; Body is its JSON in the format of the door.
type Hit struct {
	At   time.Time
	Door Door
	Body object
}

// object is a JSON object.
type object map[string]any

// stamp is a time as JSON writes it, with milliseconds.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
