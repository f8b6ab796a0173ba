// Package server finds or starts the PostgreSQL and the Redis that devstack and
// the tests work with.
//
// Per part, in this order: the URL in the environment; the programs on this
// machine as a private instance on a free loopback port; PostgreSQL from its npm
// platform package and miniredis in this process. It speaks just enough of both
// wire protocols to know that a server is up, so that neither pgx nor go-redis
// is needed here. Called by app (make run) and by cmd (devstack servers).
package server
