package app

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/redistest"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// The command's exit follows from what it finds, and it names what is lost.
func TestLedgerCheck(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	client, prefix := redistest.New(t)
	writer, err := stream.NewWriter(client, stream.Config{Prefix: prefix, Shards: 1, Timeout: 10 * time.Second}, uuid.New())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = writer.Close(t.Context()) })
	cfg := LedgerConfig{Database: Database{DatabaseURL: schema.URL}, RedisURL: redisURL(t), StreamPrefix: prefix, StreamShards: 1}
	var out strings.Builder
	if err := LedgerCheck(t.Context(), cfg, LedgerRequest{Out: &out}); err != nil || !strings.Contains(out.String(), "the books balance") {
		t.Fatalf("%v: %s", err, out.String())
	}
	receipt, err := writer.Append(t.Context(), []hit.Hit{{Workspace: uuid.New(), Fact: hit.Fact{
		Kind: hit.KindEvent, Source: uuid.New(), Trust: hit.TrustServer, ID: "1", At: 1, ReceivedAt: 2, Event: &hit.Event{Name: "e"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Del(t.Context(), "{"+prefix+":0}:hits").Err(); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	err = LedgerCheck(t.Context(), cfg, LedgerRequest{Out: &out})
	name := (stream.Run{Epoch: receipt.Epoch, First: 1, Last: 1}).String()
	if !errors.Is(err, ErrUnbalanced) || !strings.Contains(out.String(), "LOST   "+name) {
		t.Errorf("%v: %s", err, out.String())
	}
	out.Reset()
	if err := LedgerWriteOff(t.Context(), cfg, LedgerRequest{Out: &out, By: "me"}); err != nil || !strings.Contains(out.String(), name) || !strings.Contains(out.String(), "wrote off 1 hits") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func redisURL(t *testing.T) string {
	t.Helper()
	return os.Getenv(redistest.Env)
}
