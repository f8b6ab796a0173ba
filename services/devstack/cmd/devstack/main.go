// Command devstack runs Touchline on one machine.
//
//	devstack run               everything, with a demo: what make run calls
//	devstack servers -- CMD…   a PostgreSQL and a Redis around one command
package main

import (
	"fmt"
	"os"
)

const usage = `devstack runs Touchline on one machine.

  devstack run [--no-demo] [--no-traffic] [--workers N]
        servers, services, a demo workspace, a made-up week, a shop and live traffic,
        until Ctrl-C. The same again goes on where it was; .local keeps everything.

  devstack servers [--dir DIR] [--postgres NAME=VALUE] [--redis NAME=VALUE] -- CMD ARG…
        finds or starts PostgreSQL and Redis, runs CMD with DATABASE_URL, REDIS_URL,
        TOUCHLINE_TEST_DATABASE_URL and TOUCHLINE_TEST_REDIS_URL, stops what it
        started and ends with CMD's exit code. Without --dir the servers are empty
        and their data is thrown away.

TOUCHLINE_DEVSTACK=embedded uses no program of this machine.
`

func main() {
	args := os.Args[1:]
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	switch args[0] {
	case "run":
		os.Exit(runAll(args[1:]))
	case "servers":
		os.Exit(servers(args[1:]))
	case "help", "-h", "--help":
		fmt.Print(usage)
	default:
		fmt.Fprintf(os.Stderr, "devstack: unknown command %q\n\n%s", args[0], usage)
		os.Exit(2)
	}
}
