package e2e_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/touchline/touchline/services/e2e/stack"
)

// A worker that dies in the middle of its work, again and again, changes nothing
// in the table or the books: run.py compares both for every world.
func TestKillWorker(t *testing.T) {
	t.Parallel()
	needPython(t)
	s := stack.New(bin, stackDir(t))
	if err := s.Start(t.Context(), "--no-demo"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })

	played := make(chan bool)
	go func() {
		defer close(played)
		conformance(t, s, allWorlds(t), "--shuffle", "7", "--repeat", "0.5")
	}()
	kills := 0
	for pause := 2 * time.Second; ; {
		var kill <-chan time.Time
		if kills < 8 { // after which there is peace: devstack starts what keeps dying ever more slowly
			kill = time.After(pause)
		}
		select {
		case <-played:
			if kills < 2 {
				t.Errorf("the worker was killed %d times while worlds were played, want at least twice", kills)
			}
			t.Logf("%d kills", kills)
			return
		case <-kill:
			begun := time.Now()
			if err := s.KillChild(t.Context(), "worker"); err != nil {
				t.Errorf("kill the worker: %v", err)
			}
			kills++
			pause = max(pause, time.Since(begun)) // it works for as long as it is away
		}
	}
}

// The same at the worst moments: a failpoint ends the worker at its n-th pass
// there, each time it has been started anew.
func TestKillWorkerAtFailpoints(t *testing.T) {
	t.Parallel()
	needPython(t)
	for _, point := range []string{"after_read:25", "before_commit:25", "after_commit:25", "after_settle:25", "before_derived:25", "after_derived:25"} {
		t.Run(point, func(t *testing.T) {
			s := stack.New(bin, stackDir(t), "TOUCHLINE_FAILPOINT="+point)
			if err := s.Start(t.Context(), "--no-demo"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Stop() })
			// How many batches a round makes depends on the machine: play until it died twice.
			for round := 1; strings.Count(s.Output(), "worker ended by itself") < 2; round++ {
				if round > 20 {
					t.Fatalf("the worker did not die twice at %s:\n%s", point, s.Output())
				}
				conformance(t, s, firstWorlds(t), "--shuffle", strconv.Itoa(round), "--repeat", "0.5")
			}
		})
	}
}

// devstack itself dies; the next start goes on where it was.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := stack.New(bin, stackDir(t))
	if err := s.Start(t.Context(), "--no-demo"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	w := newWorkspace(t, s)
	w.register(t, "wamid.before", "+4791234503", "token-before")
	w.settle(t)
	before := s.Credentials

	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), "--no-demo"); err != nil {
		t.Fatal(err)
	}
	if s.WorkspaceID != before.WorkspaceID || s.TrackingURL != before.TrackingURL || s.WriteKey != before.WriteKey {
		t.Errorf("the second start has %+v, want %+v", s.Credentials, before)
	}
	w.register(t, "wamid.after", "+4791234503", "token-after")
	if b := w.settle(t); b.Stored != 2 {
		t.Errorf("books after a crash and one more hit: %+v, want 2 stored", b)
	}
}
