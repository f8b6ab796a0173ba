package reference

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// What the trial edge acknowledged is in the stream, item by item.
func TestTrial(t *testing.T) {
	t.Parallel()
	url := os.Getenv("TOUCHLINE_TEST_REDIS_URL")
	if url == "" {
		t.Skip("skipped: TOUCHLINE_TEST_REDIS_URL names no Redis")
	}
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	const stream = "touchline-bench-test:hits"
	defer client.Del(t.Context(), stream)
	handler := New(client, stream)
	for _, call := range []struct {
		path, key, body string
		status          int
		length          int64 // of the stream, afterwards
	}{
		{"/v1/track", "a2V5Og==", `{"event":"E"}`, 200, 1},
		{"/v1/batch", "a2V5Og==", `{"batch":[{"event":"E"},{"event":"F"}]}`, 200, 3},
		{"/v1/track", "a2V5Og==", `{"event":`, 400, 3},
		{"/v1/batch", "a2V5Og==", `{"batch":[1]}`, 400, 3},
		{"/v1/track", "", `{"event":"E"}`, 401, 3},
	} {
		request := httptest.NewRequest(http.MethodPost, call.path, strings.NewReader(call.body))
		request.Header.Set("Authorization", "Basic "+call.key)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		length, err := client.XLen(t.Context(), stream).Result()
		if answer.Code != call.status || err != nil || length != call.length {
			t.Errorf("%s %s: status %d, length %d, %v", call.path, call.body, answer.Code, length, err)
		}
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/noop", nil))
	if answer.Code != http.StatusOK || answer.Body.String() != "ok" {
		t.Errorf("noop: %d %s", answer.Code, answer.Body)
	}
}
