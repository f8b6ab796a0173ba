-- name: TouchedInsert :copyfrom
insert into touched (workspace_id, fact_id, old_refs, new_refs, source_id, hour, term, consumer, shard, batch)
values (@workspace_id, @fact_id, @old_refs, @new_refs, @source_id, @hour, @term, @consumer, @shard, @batch);

-- name: TouchedAdopt :exec
-- A consumer's batches go on under a new name, their numbers less those that are gone.
update touched set consumer = @fresh, batch = batch - @gone::bigint
where consumer = @consumer and shard = @shard and batch > @gone::bigint;
