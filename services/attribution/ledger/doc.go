// Package ledger audits the books: it finds hits that were lost, and compares what is
// counted in one place with what is counted in another.
//
// # What a gap proves
//
// The hits of one epoch (one run of an edge) and shard are numbered from 1 without a
// gap, and they reach Redis in the order of their numbers; those that waited on an
// edge's disk too. An entry leaves the stream only after its hit was stored. So a
// number that is not larger than one that was appended, and is neither in the stream
// nor stored, is a hit that Redis had and lost: somebody deleted the entry, or Redis
// came back with older data. One more cause: a damaged record in the spool of an edge,
// whose numbers are passed over. It is a hit that its sender was told is safe, but for
// one case: Redis took it, and the edge died before it could say so.
//
// That is free of false alarms whatever dies, because of the order of reading: first
// how far the numbers are known to reach, then the stream, then what is stored. A hit
// that is stored in between is found in the last place.
//
// # What a gap cannot prove
//
//   - A kill -9 of an edge leaves no gap: numbers are given out when a flush is formed,
//     and the one that was cut short is the last of its epoch. Its hits were not
//     acknowledged.
//   - Numbers behind the largest one known are not missed. The largest known is noted in
//     Postgres every [Config.Every], so what Redis took after the last note and lost
//     with all its data is seen only when the same edge sends the next hit. An edge and
//     Redis that are lost together within that time cut the tail unseen.
//   - An edge whose disk is lost takes with it what was spooled there and not yet
//     drained. As far as it had been announced, it stays pending and "spooled" in the
//     books; no gap names it.
//   - Redis' failover to a replica that lags behind loses a tail like older data does.
//
// # After Redis lost data
//
// Redis proves it by itself: its mark of an epoch is lower than it was or than what is
// stored, an edge's next hits do not follow on it, or it does not know that a batch was
// settled whose row was deleted for that. A watch then makes the books of the
// shard anew ([Sides.Rebuild]) from what is stored and what is in the stream. What was
// lost is in no book any more; the gap names it. What a worker had in its hands and stores
// later counts as accepted when its batch is settled.
package ledger
