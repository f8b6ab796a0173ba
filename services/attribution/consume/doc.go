// Package consume turns hits into facts. It reads the streams, replaces identifiers
// by digests, merges the copies of each fact and stores a batch in one transaction,
// together with the books: which receipts it stored and what each hit counts as.
// Then the entries are taken out of Redis. It draws no conclusions; a touched row
// beside each changed fact says that somebody has to.
//
// How it stays correct when a process dies at any point:
//
//   - a receipt is stored in the transaction of its fact, so a redelivery is known;
//   - a batch is a row until Redis has forgotten its entries, and then until its lane's
//     next batch is committed, or nothing comes; any worker settles the committed
//     batches of any other ([Consumer.Run]), and to settle one again changes nothing;
//   - a batch whose commit has an unknown outcome is stored again under a new
//     consumer name: had it been committed, its receipts are known and its row is
//     settled like a dead worker's.
package consume
