// Package reference is what the edge is measured against: a bare Echo handler, and a
// trial edge that does the least with which an edge can answer after durability. It looks
// whether somebody signed in, decodes the JSON, appends it to a stream in a pipeline that
// concurrent requests share, and answers when Redis has acknowledged. No validation, no
// numbers, no books, no spool.
package reference

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/bytedance/sonic"
	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
)

// group is the most appends that share a pipeline; committers is how many pipelines are
// under way at a time. Both are those with which the trial was fastest.
const (
	group      = 1000
	committers = 2
)

// trial is the trial edge.
type trial struct {
	client *redis.Client
	stream string
	queue  chan commit
}

// commit is what one request wants appended.
type commit struct {
	items [][]byte
	done  chan error
}

// New returns the handler of both: GET /noop, POST /v1/track and POST /v1/batch. It
// appends to stream.
func New(client *redis.Client, stream string) http.Handler {
	t := &trial{client: client, stream: stream, queue: make(chan commit, 8192)}
	for range committers {
		go t.commit()
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.GET("/noop", func(c echo.Context) error { return c.String(http.StatusOK, "ok") })
	e.POST("/v1/track", t.track)
	e.POST("/v1/batch", t.batch)
	return e
}

// commit appends what is waiting, together.
func (t *trial) commit() {
	ctx := context.Background()
	for first := range t.queue {
		commits, items := []commit{first}, len(first.items)
		for waiting := true; waiting && items < group; {
			select {
			case next := <-t.queue:
				commits, items = append(commits, next), items+len(next.items)
			default:
				waiting = false
			}
		}
		pipeline := t.client.Pipeline()
		for _, c := range commits {
			for _, item := range c.items {
				pipeline.XAdd(ctx, &redis.XAddArgs{Stream: t.stream, Values: []any{"h", item}})
			}
		}
		_, err := pipeline.Exec(ctx)
		for _, c := range commits {
			c.done <- err
		}
	}
}

func (t *trial) track(c echo.Context) error {
	body, err := read(c)
	if err != nil {
		return err
	}
	var fields map[string]any
	if sonic.Unmarshal(body, &fields) != nil {
		return c.NoContent(http.StatusBadRequest)
	}
	return t.answer(c, [][]byte{body})
}

func (t *trial) batch(c echo.Context) error {
	body, err := read(c)
	if err != nil {
		return err
	}
	var call struct {
		Batch []json.RawMessage `json:"batch"`
	}
	if sonic.Unmarshal(body, &call) != nil {
		return c.NoContent(http.StatusBadRequest)
	}
	items := make([][]byte, len(call.Batch))
	for i, item := range call.Batch {
		var fields map[string]any
		if sonic.Unmarshal(item, &fields) != nil {
			return c.NoContent(http.StatusBadRequest)
		}
		items[i] = item
	}
	return t.answer(c, items)
}

// read takes the body of somebody who has signed in.
func read(c echo.Context) ([]byte, error) {
	encoded := strings.TrimPrefix(c.Request().Header.Get("Authorization"), "Basic ")
	if key, err := base64.StdEncoding.DecodeString(encoded); err != nil || len(key) == 0 {
		return nil, echo.ErrUnauthorized
	}
	return io.ReadAll(c.Request().Body)
}

// answer waits until the items are durable.
func (t *trial) answer(c echo.Context, items [][]byte) error {
	one := commit{items, make(chan error, 1)}
	t.queue <- one
	if err := <-one.done; err != nil {
		return c.NoContent(http.StatusServiceUnavailable)
	}
	return c.JSON(http.StatusOK, map[string]bool{"success": true})
}
