-- name: TouchedInsert :copyfrom
insert into touched (workspace_id, fact_id, old_refs, new_refs, source_id, hour, term, consumer, shard, batch)
values (@workspace_id, @fact_id, @old_refs, @new_refs, @source_id, @hour, @term, @consumer, @shard, @batch);
