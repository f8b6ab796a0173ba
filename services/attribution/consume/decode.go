package consume

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// The reasons for which consume refuses an entry. Those of the edge come with the
// hit. A closed set: dashboards group by it.
const (
	reasonVersion          = "unknown_version"   // encoded by a newer release
	reasonMalformed        = "malformed"         // nobody's encoding, or inconsistent
	reasonUnknownWorkspace = "unknown_workspace" // of no workspace that there is
	reasonUnstorable       = "unstorable"        // the database refuses the values
	reasonDeadly           = "kills_worker"      // workers died of it, so that nobody decodes it any more
)

// maxDetail bounds the text beside a reason, in bytes.
const maxDetail = 500

// item is one entry on its way into the database: a fact's copy, or what is put
// into quarantine.
type item struct {
	entry      stream.Entry
	workspace  uuid.UUID // of the entry's field: in the books it counts there
	source     uuid.UUID
	receivedAt time.Time

	refused     *refusal  // set: quarantine
	factID      uuid.UUID // the rest is set unless refused
	kind        hit.Kind
	statement   statement
	identifiers []identifier
	counts      term // set once it was stored

	kept uuid.UUID // its row in quarantine, when it comes from there
}

// refusal says why an entry goes into quarantine, and what is kept of it.
type refusal struct {
	reason, detail string
	raw            []byte
	hit            bool // raw is an encoded hit, which can be tried again; else what a sender sent
}

// identifier is one that a fact states, digested and still in plain text.
type identifier struct {
	digest, folded uuid.UUID
	kind           hit.IdentifierKind
	value          string
}

// hour is the hour of receipt, under which the books count the item.
func (i *item) hour() time.Time { return i.receivedAt.Truncate(time.Hour) }

// refuse turns the item into one for the quarantine.
func (i *item) refuse(reason, detail string) {
	detail, _ = hit.CleanText(detail)
	if len(detail) > maxDetail {
		detail, _ = hit.CleanText(detail[:maxDetail])
	}
	i.refused = &refusal{reason: reason, detail: detail, raw: i.entry.Payload, hit: true}
	i.identifiers = nil
}

// newItem reads an entry. It never fails: what makes no sense becomes a refusal.
func newItem(e stream.Entry, digests *digest.Ring) *item {
	i := decode(e, digests)
	i.receivedAt = within(e, i.receivedAt)
	return i
}

// within puts a time of receipt into the hour under which the books accepted the entry,
// which is another one when the entry can not be read, or was made by somebody else.
func within(e stream.Entry, at time.Time) time.Time {
	if e.Hour.IsZero() || at.Truncate(time.Hour).Equal(e.Hour) {
		return at
	}
	return e.Hour.Add(time.Hour - time.Microsecond)
}

func decode(e stream.Entry, digests *digest.Ring) *item {
	i := &item{entry: e, receivedAt: entryTime(e.ID)}
	if e.Receipt.Number == 0 {
		// Not written by our edges. Its id stands in, so that it is stored once too.
		sum := sha256.Sum256([]byte("entry " + e.ID))
		i.entry.Receipt = hit.Receipt{Epoch: uuid.UUID(sum[:16]), Shard: e.Shard, Number: 1}
	}
	workspace, source, err := parseField(e.Field)
	if err != nil {
		i.refuse(reasonMalformed, err.Error())
		return i
	}
	i.workspace, i.source = workspace, source
	h, err := hit.Decode(e.Payload)
	if err != nil {
		reason := reasonMalformed
		if len(e.Payload) > 0 && e.Payload[0] > hit.Version {
			reason = reasonVersion
		}
		i.refuse(reason, err.Error())
		return i
	}
	if h.Fact.ReceivedAt > 0 {
		i.receivedAt = h.Fact.ReceivedAt.Time()
	}
	if h.Workspace != workspace || h.Fact.Source != source {
		i.refuse(reasonMalformed, "the hit is of another workspace or source than its entry")
		return i
	}
	if h.Rejection != nil {
		i.refuse(h.Rejection.Reason, h.Rejection.Detail)
		i.refused.raw, i.refused.hit = h.Rejection.Raw, false
		return i
	}
	if err := i.state(&h.Fact, digests); err != nil {
		i.refuse(reasonMalformed, err.Error())
	}
	return i
}

// deadlyItem is an entry that is put away undecoded.
func deadlyItem(e stream.Entry) *item {
	i := newItem(stream.Entry{ID: e.ID, Shard: e.Shard, Field: e.Field, Hour: e.Hour, Receipt: e.Receipt}, nil)
	i.entry.Payload = e.Payload
	i.refuse(reasonDeadly, fmt.Sprintf("%d workers ended while they had it", (e.Deliveries-1)%aloneStep+e.Deliveries/aloneStep))
	return i
}

// state fills the item with what its fact states, identifiers digested.
func (i *item) state(f *hit.Fact, digests *digest.Ring) error {
	if err := checkFact(f); err != nil {
		return err
	}
	for n, id := range f.Identifiers {
		f.Identifiers[n] = i.digest(id, digests)
	}
	if f.Device != nil {
		device := i.digest(*f.Device, digests)
		f.Device = &device
	}
	body, content, err := hit.Content(f)
	if err != nil {
		return fmt.Errorf("content: %w", err)
	}
	i.factID, i.kind = f.Key(), f.Kind
	i.statement = statement{
		source: f.Source, trust: int16(f.Trust), at: f.At, wholeSecond: f.Precision == hit.PrecisionSecond,
		receivedAt: f.ReceivedAt, flags: union(f.Flags, nil), content: content, body: body, refs: fact.Refs(f),
	}
	return nil
}

// digest notes the plain identifier and returns what the fact holds in its place.
func (i *item) digest(id hit.Identifier, digests *digest.Ring) hit.Identifier {
	one := identifier{
		digest: digests.Digest(i.workspace, id.Kind, id.Value), folded: digests.Folded(i.workspace, id.Kind, id.Value),
		kind: id.Kind, value: id.Value,
	}
	i.identifiers = append(i.identifiers, one)
	return hit.Identifier{Kind: id.Kind, Value: digest.Hex(one.digest), Folded: digest.Hex(one.folded)}
}

// checkFact reports a fact that lacks what its kind has: the pure packages take it
// for granted.
func checkFact(f *hit.Fact) error {
	complete := true
	switch f.Kind {
	case hit.KindMessage:
		complete = f.Message != nil
	case hit.KindClick:
		complete = f.Click != nil
	case hit.KindInbound:
		complete = f.Inbound != nil
	case hit.KindPage:
		complete = f.Page != nil
	case hit.KindEvent:
		complete = f.Event != nil
	case hit.KindIdentify:
		complete = f.Identify != nil
	case hit.KindStatus, hit.KindRaw:
	default:
		return fmt.Errorf("unknown kind of fact %q", f.Kind)
	}
	if !complete {
		return fmt.Errorf("a fact of kind %s without its body", f.Kind)
	}
	if f.ID == "" || f.At == 0 || f.ReceivedAt == 0 || f.Trust < hit.TrustBrowser || f.Trust > hit.TrustWebhook {
		return fmt.Errorf("a fact of kind %s without id, time or trust", f.Kind)
	}
	known := []hit.IdentifierKind{hit.UserID, hit.Phone, hit.BSUID, hit.Email}
	for _, id := range f.Identifiers {
		if !slices.Contains(known, id.Kind) || id.Value == "" {
			return fmt.Errorf("an identifier of kind %q that is none", id.Kind)
		}
	}
	if f.Device != nil && (f.Device.Kind != hit.Device || f.Device.Value == "") {
		return fmt.Errorf("a device of kind %q that is none", f.Device.Kind)
	}
	return nil
}

// parseField reads "workspace/source".
func parseField(field string) (workspace, source uuid.UUID, err error) {
	left, right, _ := strings.Cut(field, "/")
	if workspace, err = uuid.Parse(left); err == nil {
		source, err = uuid.Parse(right)
	}
	if err != nil {
		return uuid.Nil, uuid.Nil, fmt.Errorf("the entry names no workspace and source: %w", err)
	}
	return workspace, source, nil
}

// entryTime is when Redis took the entry, by its own clock: the hour of receipt of
// what cannot be read. The same at every delivery.
func entryTime(id string) time.Time {
	stamp, _, _ := strings.Cut(id, "-")
	millis, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || millis < 0 || millis > 1<<45 { // the year 3084
		millis = 0
	}
	return time.UnixMilli(millis).UTC()
}
