package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/touchline/touchline/services/e2e/stack"
)

// suite is what all tests share. It is set once, before any test runs.
var suite struct {
	dir      string // everything below goes with the tests
	stack    *stack.Stack
	database *pgxpool.Pool
}

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("skipped: -short leaves the browsers out")
		os.Exit(0)
	}
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	if err := prepare(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(suite.dir)
	defer func() { _ = suite.stack.Stop() }()
	defer suite.database.Close()
	defer func() {
		for _, e := range engines {
			e.quit()
		}
	}()
	code := m.Run()
	fmt.Print(lossTable())
	return code
}

// prepare starts Touchline, without a demo.
func prepare(ctx context.Context) (err error) {
	if suite.dir, err = os.MkdirTemp("", "touchline-browser-"); err != nil {
		return err
	}
	if err := os.Chmod(suite.dir, 0o755); err != nil { // PostgreSQL's own user has to enter
		return err
	}
	bin := filepath.Join(suite.dir, "bin")
	if err := stack.Build(ctx, bin); err != nil {
		return err
	}
	suite.stack = stack.New(bin, filepath.Join(suite.dir, "stack"))
	if err := suite.stack.Start(ctx, "--no-demo"); err != nil {
		_ = suite.stack.Stop()
		return err
	}
	url, err := suite.stack.DatabaseURL()
	if err != nil {
		return err
	}
	suite.database, err = pgxpool.New(ctx, url)
	return err
}
