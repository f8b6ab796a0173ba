package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/redistest"
	"github.com/touchline/touchline/services/internal/registry"
)

// childEnv makes this test binary the program itself, in a process of its own.
const childEnv = "TOUCHLINE_TEST_TRACKING_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	cfg, err := FromEnv(env.ToMap(os.Environ()))
	if err == nil {
		cfg.Listening = func(public, _ string) { fmt.Println(public) }
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		err = Run(ctx, cfg)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// memoryBound is what the whole process may take, however bad its input: 64 MiB of
// bodies, each of them several times over while it is read, and what Go needs.
const memoryBound = 512 << 20

// 200 senders at a time, each with the worst that it may send: the process stays within
// its memory and refuses with 503 what it can't take.
func TestRun_MemoryIsBounded(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("skipped: only Linux tells the largest size that a process has had")
	}
	client, prefix := redistest.New(t)
	workspace := uuid.New()
	hook := registry.Source{ID: uuid.New(), Workspace: workspace, Kind: registry.KindWebhook, Config: registry.SourceConfig{Secret: "hush"}}
	meta := registry.Source{ID: uuid.New(), Workspace: workspace, Kind: registry.KindWhatsApp, Config: registry.SourceConfig{AppSecret: "hush"}}
	server := registry.Source{ID: uuid.New(), Workspace: workspace, Kind: registry.KindServer, WriteKey: "key"}
	if err := registry.NewPublisher(client, prefix, bytes.Repeat([]byte{7}, 32)).Replace(t.Context(), []registry.Source{hook, meta, server}); err != nil {
		t.Fatal(err)
	}
	url, size := child(t, prefix)
	worst := worstCases(t, hook.ID, meta.ID)
	const senders, each = 200, 2
	statuses := map[int]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for n := range each {
				status := worst[(i+n)%len(worst)].send(t, url)
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	peak := size()
	t.Logf("%d MiB at most; answers %v", peak>>20, statuses)
	if peak > memoryBound {
		t.Errorf("the process took %d MiB, and may take %d", peak>>20, memoryBound>>20)
	}
	for status, n := range statuses {
		if status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable {
			t.Errorf("%d answers %d", n, status)
		}
	}
	if statuses[http.StatusOK] == 0 {
		t.Errorf("nothing of the flood was taken: %v", statuses)
	}
	good := worstCase{path: "/v1/track?key=key", body: []byte(`{"userId":"u","event":"E"}`)}
	// Redis may still be writing what the flood left.
	for deadline := time.Now().Add(2 * time.Minute); good.send(t, url) != http.StatusOK; <-time.After(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is kept after the flood")
		}
	}
}

// child starts the program; size is the most bytes that it has had in memory.
func child(t *testing.T, prefix string) (url string, size func() int64) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, os.Args[0])
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 30 * time.Second
	command.Env = append(os.Environ(), childEnv+"=1", "GOMEMLIMIT=384MiB", "TOUCHLINE_LOG_LEVEL=error", "TOUCHLINE_SOURCE_RATE=0")
	for name, value := range environment("REDIS_URL", os.Getenv(redistest.Env), "TOUCHLINE_STREAM_PREFIX", prefix) {
		command.Env = append(command.Env, name+"="+value)
	}
	var log bytes.Buffer
	command.Stderr = &log
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := command.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the program ended with %v:\n%s", err, &log)
		}
	})
	var addr string
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		t.Fatalf("the program did not start: %v", err)
	}
	peak := regexp.MustCompile(`VmHWM:\s*(\d+) kB`)
	return "http://" + addr, func() int64 {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", command.Process.Pid))
		found := peak.FindSubmatch(status)
		if err != nil || found == nil {
			t.Fatalf("%v: %s", err, status)
		}
		kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return kilobytes << 10
	}
}

// worstCase is one request.
type worstCase struct {
	path, header, value string
	body                []byte
	chunked             bool
}

// send returns the status; 0 when the server cut the connection, as it may when it
// knows from the header alone that it will not take the body.
func (w worstCase) send(t *testing.T, url string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var body io.Reader = bytes.NewReader(w.body)
	if w.chunked {
		body = io.MultiReader(body) // of a length that the client can't know
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+w.path, body)
	if err != nil {
		t.Error(err)
		return 0
	}
	if w.header != "" {
		r.Header.Set(w.header, w.value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			t.Errorf("%s hangs", w.path)
		}
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

func worstCases(t *testing.T, hook, meta uuid.UUID) []worstCase {
	t.Helper()
	signed := func(path, header, body string) worstCase {
		mac := hmac.New(sha256.New, []byte("hush"))
		mac.Write([]byte(body))
		return worstCase{path: path, header: header, value: "sha256=" + hex.EncodeToString(mac.Sum(nil)), body: []byte(body)}
	}
	packed := func(body string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, body)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	const large = 4<<20 - 200
	hookPath, metaPath := "/webhooks/webhook/"+hook.String(), "/webhooks/whatsapp/"+meta.String()
	deep := strings.Repeat("[", large/2) + strings.Repeat("]", large/2)
	items := `{"batch":[` + strings.Repeat(`{"type":"track","userId":"u","event":"E"},`, 4999) + `{}]}`
	keys := `{"userId":"u","event":"E","properties":{` + strings.Repeat(`"k":{},`, 60_000) + `"z":1}}`
	messages := `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"messages":[` +
		strings.Repeat(`{"id":"w","from":"4790123456","timestamp":"1788260400","type":"text","text":{"body":"x"}},`, 4500) + `{}]}}]}]}`
	return []worstCase{
		{path: "/v1/batch?key=key", header: "Content-Encoding", value: "gzip", body: packed(`{"batch":[{"x":"` + strings.Repeat("x", 499_000) + `"}]}`)},
		{path: "/v1/batch?key=key", body: packed(`{"batch":[{"x":"` + strings.Repeat("x", 499_000) + `"}]}`)},
		{path: "/v1/track?key=key", header: "Content-Encoding", value: "gzip", body: packed(strings.Repeat("[", 20<<20))},
		{path: "/v1/batch?key=key", body: packed(items)},
		{path: "/v1/track?key=key", body: []byte(keys), chunked: true},
		signed(hookPath, "X-Signature-256", deep),
		signed(hookPath, "X-Signature-256", `{"event":"E","properties":{"x":"`+strings.Repeat(`\u0000`, large/6-10)+`"}}`),
		signed(hookPath, "X-Signature-256", `{"event":"E","properties":[`+strings.Repeat(`{"a":[1]},`, large/10-10)+`0]}`),
		signed(metaPath, "X-Hub-Signature-256", messages),
		{path: metaPath, body: bytes.Repeat([]byte("x"), 5<<20)},
		{path: hookPath, body: bytes.Repeat([]byte("["), large), chunked: true},
	}
}
