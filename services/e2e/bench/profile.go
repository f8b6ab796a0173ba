package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/touchline/touchline/services/e2e/bench/system"
)

// profileSeconds is how long CPU profiles are; what is measured under them should take
// longer, else they hold the idle time after it as well.
const profileSeconds = 5

// profiling fetches profiles of what is measured, when that was asked for: CPU of its
// first seconds, and allocations before and after, for `go tool pprof -base`. The function
// that it returns waits for them.
func (b *bench) profiling(ctx context.Context, m measured) (done func() error) {
	if b.profiles == "" || len(m.profile) == 0 {
		return func() error { return nil }
	}
	var group sync.WaitGroup
	errs := make([]error, 3*len(m.profile))
	file := func(p *system.Process, kind string) string {
		return filepath.Join(b.profiles, strings.ReplaceAll(m.name, " ", "-")+"."+p.Name+"."+kind+".pprof")
	}
	for i, p := range m.profile {
		errs[3*i] = fetch(ctx, "http://"+p.Admin+"/debug/pprof/allocs", file(p, "before"))
		group.Go(func() {
			errs[3*i+1] = fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", p.Admin, profileSeconds), file(p, "cpu"))
		})
	}
	return func() error {
		for i, p := range m.profile {
			errs[3*i+2] = fetch(ctx, "http://"+p.Admin+"/debug/pprof/allocs", file(p, "allocs"))
		}
		group.Wait()
		return errors.Join(errs...)
	}
}

// fetch writes what url answers to a file.
func fetch(ctx context.Context, url, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, answer.Body)
	return errors.Join(err, f.Close())
}
