//go:build linux

package faults

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	run    = flag.Bool("faults", false, "play the faults; without it nothing is tested here")
	long   = flag.Bool("long", false, "the long tier: 200 kills, every failure of F23, long outages")
	seed   = flag.Uint64("seed", 0, "of traffic and times; 0: another one each time")
	report = flag.String("report", "", "file to write the table of results to, in Markdown")
)

// suite is what all cases share. It is set once, before any test runs.
var suite shared

type shared struct {
	dir      string // everything below goes with the tests
	bin      string // folder of the binaries
	postgres string // folder of PostgreSQL's programs
	redis    string // program
	account  *syscall.Credential
	seed     uint64
	secrets  []string // settings that all processes share
}

func TestMain(m *testing.M) {
	flag.Parse()
	if !*run {
		fmt.Println("skipped: make faults plays the faults")
		os.Exit(0)
	}
	os.Exit(play(m))
}

func play(m *testing.M) int {
	begun := time.Now()
	if err := prepare(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("faults: seed %d (make faults ARGS=\"-seed %d\" plays it again)\n", suite.seed, suite.seed)
	code := m.Run()
	fmt.Print(table())
	fmt.Printf("faults: %s, seed %d\n", time.Since(begun).Round(time.Second), suite.seed)
	if *report != "" {
		if err := writeReport(*report); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if code == 0 {
		_ = os.RemoveAll(suite.dir)
	} else {
		fmt.Println("faults: logs, data and witnesses are in", suite.dir)
	}
	return code
}

// prepare builds the binaries and the database that every case begins with.
func prepare(ctx context.Context) (err error) {
	suite.seed = *seed
	if suite.seed == 0 {
		suite.seed = rand.Uint64N(1_000_000) + 1
	}
	if suite.dir, err = os.MkdirTemp("", "touchline-faults-"); err != nil {
		return err
	}
	if err := os.Chmod(suite.dir, 0o755); err != nil { // PostgreSQL's own user has to enter
		return err
	}
	if suite.postgres, err = postgresBin(); err != nil {
		return fmt.Errorf("the faults need PostgreSQL on this machine: %w", err)
	}
	if suite.redis, err = exec.LookPath("redis-server"); err != nil {
		return fmt.Errorf("the faults need Redis on this machine: %w", err)
	}
	if suite.account, err = databaseAccount(); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(suite.seed, 1))
	for _, name := range []string{"TOUCHLINE_REGISTRY_KEY=", "TOUCHLINE_IDENTITY_KEY=", "TOUCHLINE_JWT_KEYS=faults="} {
		key := make([]byte, 32)
		for i := range key {
			key[i] = byte(r.UintN(256))
		}
		suite.secrets = append(suite.secrets, name+base64.StdEncoding.EncodeToString(key))
	}
	suite.bin = filepath.Join(suite.dir, "bin")
	if err := build(ctx, suite.bin, ""); err != nil {
		return err
	}
	return initDatabase(ctx, filepath.Join(suite.dir, "template"))
}

// build compiles the services into a folder.
func build(ctx context.Context, into, tags string) error {
	root, err := filepath.Abs("../../..")
	if err != nil {
		return err
	}
	for name, pkg := range map[string]string{
		"tracking": "./services/tracking/cmd/tracking", "attribution": "./services/attribution/cmd/attribution",
	} {
		cmd := exec.CommandContext(ctx, "go", "build", "-tags", tags, "-o", filepath.Join(into, name), pkg)
		cmd.Dir = root
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, text)
		}
	}
	return nil
}

func (s *shared) binary(name string) string { return filepath.Join(s.bin, name) }

// keys is the environment of every program: no setting of whoever runs this gets in.
func (s *shared) keys() []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TZ=UTC"}, s.secrets...)
}

// commit names the state of the code, for the report.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
