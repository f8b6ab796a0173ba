-- What the peer reads: what was reported, laid out as it would be for this one question.
-- Statuses are columns of their message already, persons are known. Touchline has to find
-- both out from its facts.
create table sent (
  message_id    text        not null primary key,
  person_id     uuid        not null,
  template_name text        not null,
  campaign      text        not null,
  sent_at       timestamptz not null,
  read_at       timestamptz,
  replied_at    timestamptz
);
create index sent_person on sent (person_id);
create table bought (
  event_id  text        not null primary key,
  order_id  text        not null,
  person_id uuid        not null,
  at        timestamptz not null,
  value     numeric     not null
);
