-- What the peer reads: what was reported, laid out as it would be for this one question.
-- Statuses are columns of their message already, persons are known, and so is the
-- reference that tells a message or an order from all others. Touchline has to find that
-- out from its facts.
create table sent (
  message_id        text        not null primary key,
  anchor            uuid        not null,
  sender            text        not null,
  template_name     text        not null,
  template_language text        not null,
  campaign          text        not null,
  person_id         uuid        not null,
  sent_at           timestamptz not null,
  delivered_at      timestamptz,
  read_at           timestamptz,
  replied_at        timestamptz
);
create index sent_person on sent (person_id);
create table bought (
  order_id  text        not null primary key,
  anchor    uuid        not null,
  event_id  text        not null,
  person_id uuid        not null,
  at        timestamptz not null,
  value     numeric     not null
);
