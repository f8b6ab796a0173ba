package redistest

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestNew_CleansUp(t *testing.T) {
	t.Parallel()
	mine, keep := New(t)
	var theirs redis.UniversalClient
	t.Run("inner", func(t *testing.T) {
		client, prefix := New(t)
		if prefix == keep {
			t.Error("two tests have one prefix")
		}
		theirs = client
		for _, key := range []string{prefix, "{" + prefix + ":0}:hits"} {
			if err := mine.Set(t.Context(), key, 1, 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := mine.Set(t.Context(), keep, prefix, 0).Err(); err != nil {
			t.Fatal(err)
		}
	})
	prefix, err := mine.Get(t.Context(), keep).Result()
	if err != nil {
		t.Fatalf("another test's key is gone: %v", err)
	}
	if n := mine.Exists(t.Context(), prefix, "{"+prefix+":0}:hits").Val(); n != 0 {
		t.Errorf("%d keys are left", n)
	}
	if err := theirs.Ping(t.Context()).Err(); err == nil {
		t.Error("the client is still open")
	}
}
