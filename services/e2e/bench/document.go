package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/e2e/bench/report"
)

// write puts the table and what it was measured on into the document, between the marks
// that say where that goes.
func (b *bench) write(ctx context.Context, table string) error {
	facts, err := b.machine(ctx)
	if err != nil {
		return err
	}
	text := facts + "\n" + table
	if b.plan != "" {
		text += "\nThe plan of the SQL that `recompute` is measured against, with what it took:\n\n```\n" + b.plan + "\n```\n"
	}
	old, err := os.ReadFile(b.out)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	updated, err := report.Replace(string(old), text)
	if err != nil {
		return fmt.Errorf("%s: %w", b.out, err)
	}
	return os.WriteFile(b.out, []byte(updated), 0o644) //nolint:gosec // a document for all
}

// machine tells what matters of the machine and of this run, and no name of either.
func (b *bench) machine(ctx context.Context) (string, error) {
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var postgres, settings string
	if err := conn.QueryRow(ctx, `select current_setting('server_version'), string_agg(s || ' ' || current_setting(s), ', ' order by n)
		from unnest(array['fsync', 'shared_buffers', 'max_wal_size', 'checkpoint_timeout', 'wal_compression']) with ordinality as x (s, n)`).
		Scan(&postgres, &settings); err != nil {
		return "", err
	}
	queue, err := b.queue(ctx)
	if err != nil {
		return "", err
	}
	return report.Facts([][2]string{
		{"cores", fmt.Sprint(runtime.NumCPU())},
		{"memory", memory()},
		{"processor", processor()},
		{"PostgreSQL", strings.Fields(postgres)[0] + ", " + settings},
		{"Redis", queue},
		{"Go", runtime.Version()},
		{"commit", commit(ctx)},
		{"run", fmt.Sprintf("%d rounds at scale %g", b.rounds, b.scale)},
		{"others on the machine", busy()},
	}), nil
}

// queue is the version of Redis and the settings that matter. Redis tells sizes in bytes.
func (b *bench) queue(ctx context.Context) (string, error) {
	options, err := redis.ParseURL(b.redis)
	if err != nil {
		return "", err
	}
	client := redis.NewClient(options)
	defer client.Close()
	info, err := client.InfoMap(ctx, "server").Result()
	if err != nil {
		return "", err
	}
	told := []string{info["Server"]["redis_version"]}
	for _, name := range []string{"appendonly", "appendfsync", "auto-aof-rewrite-min-size", "auto-aof-rewrite-percentage"} {
		setting, err := client.ConfigGet(ctx, name).Result()
		if err != nil {
			return "", err
		}
		told = append(told, name+" "+sizeInWords(name, setting[name]))
	}
	return strings.Join(told, ", "), nil
}

// sizeInWords writes the value of a setting that is a size as people set it, others as they are.
func sizeInWords(name, value string) string {
	bytes, err := strconv.ParseInt(value, 10, 64)
	if err != nil || !strings.HasSuffix(name, "-size") || bytes == 0 {
		return value
	}
	unit := ""
	for _, larger := range []string{"kb", "mb", "gb"} {
		if bytes%1024 != 0 {
			break
		}
		bytes, unit = bytes/1024, larger
	}
	return strconv.FormatInt(bytes, 10) + unit
}

func memory() string {
	return field("/proc/meminfo", "MemTotal:")
}

func processor() string {
	return strings.TrimSpace(strings.TrimPrefix(field("/proc/cpuinfo", "model name"), ":"))
}

// busy is the load when the run ended: with nobody else about, about the number of cores.
func busy() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return "load " + one + " at the end, the benchmark's own included"
}

// field is the rest of the first line of a file that begins with name.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, name); found {
			return strings.Join(strings.Fields(rest), " ")
		}
	}
	return "unknown"
}

// commit is the one that was checked out, marked when files differ from it.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
