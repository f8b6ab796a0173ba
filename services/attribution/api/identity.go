package api

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/hit"
)

// finding reads a page of something that was concluded about identities.
type finding struct {
	server    *Server
	names     *names
	workspace uuid.UUID
	from      place
	most      int
}

// newFinding checks what a call asks for.
func (s *Server) newFinding(ctx context.Context, limit *int, pii *bool) (*finding, error) {
	caller := sessionOf(ctx)
	shown, err := s.newNames(caller, pii)
	return &finding{server: s, names: shown, workspace: caller.workspace, most: limitOf(limit)}, err
}

// begin finds the identity version: that of the first page, so that pages agree with
// one another, else the one in force.
func (f *finding) begin(ctx context.Context, tx *postgres.Tx) error {
	live, err := tx.PolicyInForce(ctx, f.workspace)
	if f.from.Identity == 0 {
		f.from.Identity = live.IdentityVersion
	}
	return err
}

// ListIdentityConflicts answers GET /v1/identity/conflicts.
func (s *Server) ListIdentityConflicts(ctx context.Context, request gen.ListIdentityConflictsRequestObject) (gen.ListIdentityConflictsResponseObject, error) {
	asked := request.Params
	f, err := s.newFinding(ctx, asked.Limit, asked.Pii)
	if err != nil {
		return nil, err
	}
	if f.from, err = s.openPlace(f.workspace, asked.Cursor, latest("identity conflicts")); err != nil {
		return nil, err
	}
	answer := gen.ListIdentityConflicts200JSONResponse{}
	err = s.cfg.Store.InSnapshot(ctx, f.workspace, func(ctx context.Context, tx *postgres.Tx) (err error) {
		if err = f.begin(ctx, tx); err != nil {
			return err
		}
		answer.Data, answer.NextCursor, err = f.refused(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list identity conflicts: %w", err)
	}
	f.names.audit(ctx, "identity conflicts", len(answer.Data))
	return answer, nil
}

// refused reads a page of refused links.
func (f *finding) refused(ctx context.Context, tx *postgres.Tx) (data []gen.IdentityConflict, next *string, err error) {
	links, err := tx.FindingRefused(ctx, dbsqlc.FindingRefusedParams{
		WorkspaceID: f.workspace, IdentityVersion: f.from.Identity, BeforeAt: f.from.At, BeforeA: f.from.A, BeforeB: f.from.B, Most: int32(f.most) + 1,
	})
	if err != nil {
		return nil, nil, err
	}
	if len(links) > f.most {
		links = links[:f.most]
		last := &links[f.most-1]
		at := f.from
		at.At, at.A, at.B = last.At, last.A, last.B
		if next, err = f.server.sealPlace(f.workspace, at); err != nil {
			return nil, nil, err
		}
	}
	var ends []uuid.UUID
	for i := range links {
		ends = append(ends, links[i].A, links[i].B)
	}
	who, err := f.persons(ctx, tx, ends)
	if err != nil {
		return nil, nil, err
	}
	data = make([]gen.IdentityConflict, len(links))
	for i, l := range links {
		data[i] = gen.IdentityConflict{
			At: row.InstantOf(l.At), Fact: f.names.text(l.Fact), Trust: trustOf(hit.Trust(l.Trust)),
			Sides: []gen.ConflictSide{f.side(l.A, who), f.side(l.B, who)},
		}
	}
	return data, next, nil
}

// sides is who the ends of links are.
type sides struct {
	person  map[uuid.UUID]uuid.UUID   // by digest
	userIDs map[uuid.UUID][]uuid.UUID // digests, by person
}

// persons finds the persons of identifiers and their user_ids, and reads their names.
func (f *finding) persons(ctx context.Context, tx *postgres.Tx, digests []uuid.UUID) (sides, error) {
	who := sides{person: map[uuid.UUID]uuid.UUID{}, userIDs: map[uuid.UUID][]uuid.UUID{}}
	rows, err := tx.PersonList(ctx, dbsqlc.PersonListParams{WorkspaceID: f.workspace, IdentityVersion: f.from.Identity, Digests: digests})
	if err != nil {
		return who, err
	}
	persons := map[uuid.UUID]bool{}
	for _, r := range rows {
		who.person[r.Digest] = r.PersonID
		persons[r.PersonID] = true
	}
	users, err := tx.FindingUserIDs(ctx, dbsqlc.FindingUserIDsParams{
		WorkspaceID: f.workspace, IdentityVersion: f.from.Identity, Persons: slices.Collect(maps.Keys(persons)),
	})
	if err != nil {
		return who, err
	}
	for _, u := range users {
		who.userIDs[u.PersonID] = append(who.userIDs[u.PersonID], u.Digest)
		digests = append(digests, u.Digest)
	}
	return who, f.names.load(ctx, tx, digests)
}

func (f *finding) side(digest uuid.UUID, who sides) gen.ConflictSide {
	person := who.person[digest]
	side := gen.ConflictSide{Identifier: f.names.digest("", digest), PersonId: maybeID(person), UserIds: []gen.Identifier{}}
	for _, user := range who.userIDs[person] {
		side.UserIds = append(side.UserIds, f.names.digest(hit.UserID, user))
	}
	return side
}

// ListSharedIdentifiers answers GET /v1/identity/shared.
func (s *Server) ListSharedIdentifiers(ctx context.Context, request gen.ListSharedIdentifiersRequestObject) (gen.ListSharedIdentifiersResponseObject, error) {
	asked := request.Params
	f, err := s.newFinding(ctx, asked.Limit, asked.Pii)
	if err != nil {
		return nil, err
	}
	if f.from, err = s.openPlace(f.workspace, asked.Cursor, place{List: "shared identifiers"}); err != nil {
		return nil, err
	}
	answer := gen.ListSharedIdentifiers200JSONResponse{}
	err = s.cfg.Store.InSnapshot(ctx, f.workspace, func(ctx context.Context, tx *postgres.Tx) (err error) {
		if err = f.begin(ctx, tx); err != nil {
			return err
		}
		answer.Data, answer.NextCursor, err = f.shared(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list shared identifiers: %w", err)
	}
	f.names.audit(ctx, "shared identifiers", len(answer.Data))
	return answer, nil
}

// shared reads a page of shared identifiers.
func (f *finding) shared(ctx context.Context, tx *postgres.Tx) (data []gen.SharedIdentifier, next *string, err error) {
	rows, err := tx.FindingShared(ctx, dbsqlc.FindingSharedParams{
		WorkspaceID: f.workspace, IdentityVersion: f.from.Identity, After: f.from.A, Most: int32(f.most) + 1,
	})
	if err != nil {
		return nil, nil, err
	}
	if len(rows) > f.most {
		rows = rows[:f.most]
		at := f.from
		at.A = rows[f.most-1].Digest
		if next, err = f.server.sealPlace(f.workspace, at); err != nil {
			return nil, nil, err
		}
	}
	digests := make([]uuid.UUID, len(rows))
	for i := range rows {
		digests[i] = rows[i].Digest
	}
	if err = f.names.load(ctx, tx, digests); err != nil {
		return nil, nil, err
	}
	data = make([]gen.SharedIdentifier, len(rows))
	index := make(map[uuid.UUID]*gen.SharedIdentifier, len(rows))
	for i, r := range rows {
		data[i] = gen.SharedIdentifier{Identifier: f.names.digest("", r.Digest), PersonId: r.PersonID, Neighbours: []gen.Neighbours{}}
		index[r.Digest] = &data[i]
	}
	return data, next, f.neighbours(ctx, tx, digests, index)
}

// neighbours counts what stands beside each shared identifier.
func (f *finding) neighbours(ctx context.Context, tx *postgres.Tx, digests []uuid.UUID, of map[uuid.UUID]*gen.SharedIdentifier) error {
	counts, err := tx.FindingNeighbours(ctx, dbsqlc.FindingNeighboursParams{WorkspaceID: f.workspace, IdentityVersion: f.from.Identity, Digests: digests})
	if err != nil {
		return err
	}
	for _, n := range counts {
		s := of[n.Digest]
		s.Neighbours = append(s.Neighbours, gen.Neighbours{Kind: n.Kind, Count: n.Count})
		if s.FirstAt == nil || n.FirstAt.Before(s.FirstAt.Time) {
			s.FirstAt = row.MaybeInstant(&n.FirstAt)
		}
	}
	last, err := tx.FindingLatestLink(ctx, dbsqlc.FindingLatestLinkParams{WorkspaceID: f.workspace, IdentityVersion: f.from.Identity, Digests: digests})
	for _, l := range last {
		of[l.Digest].LastAt, of[l.Digest].LastFact = row.MaybeInstant(&l.At), maybe(f.names.text(l.Fact))
	}
	return err
}
