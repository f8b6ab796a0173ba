package postgres

// FactsQuery is not among the generated queries.
const FactsQuery = factsQuery
