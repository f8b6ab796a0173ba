// Package faults breaks a running Touchline on purpose and shows that nothing that was
// acknowledged is lost, and nothing counted twice: `make faults`.
//
// Each case runs processes of its own (edge, worker, API, PostgreSQL, Redis, and
// toxiproxy between them), sends mixed traffic all the while, injects one fault, proves
// that the fault fired, and then has the checker compare four witnesses: the load
// generator's own log of acknowledgements, the facts in the database, the books of
// GET /v1/ingestion, and what `attribution ledger check` and `attribution recompute
// --check` count a second time. The results are in services/docs/reliability.md.
//
// It is all tests, for Linux: processes are stopped, limited and asked about by its
// means.
package faults
