package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/touchline/touchline/services/devstack/server"
)

// servers runs one command between a PostgreSQL and a Redis and returns its exit
// code; 1 means that the servers could not be had, 2 a wrong call.
func servers(args []string) int {
	flags := flag.NewFlagSet("devstack servers", flag.ContinueOnError)
	dir := flags.String("dir", "", "folder that keeps the servers' data; empty: a new one, removed at the end")
	cache := flags.String("cache", ".local/cache", "folder that keeps downloads")
	var postgres, redis []string
	flags.Func("postgres", "setting of the private PostgreSQL, name=value; as often as wanted", func(setting string) error {
		postgres = append(postgres, setting)
		return nil
	})
	flags.Func("redis", "setting of the private Redis, name=value; as often as wanted", func(setting string) error {
		redis = append(redis, setting)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() == 0 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	// A signal from the terminal reaches the command too; devstack outlives it to
	// stop the servers. One sent to devstack alone is passed on.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stack, err := server.Start(context.Background(), server.Options{
		Dir: *dir, Cache: *cache,
		DatabaseURL: firstOf("TOUCHLINE_TEST_DATABASE_URL", "DATABASE_URL"),
		RedisURL:    firstOf("TOUCHLINE_TEST_REDIS_URL", "REDIS_URL"),
		Embedded:    os.Getenv("TOUCHLINE_DEVSTACK") == "embedded",
		Postgres:    postgres,
		Redis:       redis,
		Say:         func(line string) { fmt.Fprintln(os.Stderr, "devstack: "+line) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "devstack:", err)
		return 1
	}
	defer stack.Stop()
	return runBetween(flags.Args(), stack, signals)
}

func runBetween(command []string, stack *server.Stack, signals <-chan os.Signal) int {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(),
		"DATABASE_URL="+stack.DatabaseURL, "TOUCHLINE_TEST_DATABASE_URL="+stack.DatabaseURL,
		"REDIS_URL="+stack.RedisURL, "TOUCHLINE_TEST_REDIS_URL="+stack.RedisURL)
	if stack.EmbeddedRedis {
		cmd.Env = append(cmd.Env, "TOUCHLINE_REDIS_EMBEDDED=true")
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "devstack:", err)
		return 127
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGTERM {
				_ = cmd.Process.Signal(s)
			}
		case err := <-ended:
			return exitCode(err)
		}
	}
}

// exitCode is what a shell would say of a command that ended like this.
func exitCode(err error) int {
	var exit *exec.ExitError
	if err == nil {
		return 0
	}
	if !errors.As(err, &exit) {
		return 1
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

func firstOf(names ...string) string {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return ""
}
