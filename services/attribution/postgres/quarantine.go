package postgres

import "github.com/touchline/touchline/services/attribution/postgres/dbsqlc"

// ObstacleReplayed says why a row of the quarantine can not be replayed; empty: it can.
func ObstacleReplayed(row *dbsqlc.QuarantineFindRow) string {
	switch {
	case row.ReplayedAt != nil:
		return "it was replayed already"
	case row.DroppedAt != nil:
		return "its bytes were dropped"
	case row.Kept == 0:
		return "nothing was kept of it"
	case !row.Hit:
		return "the edge refused it as its sender wrote it, and only the edge reads that: mend it and send it again"
	}
	return ""
}
