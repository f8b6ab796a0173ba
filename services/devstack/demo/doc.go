// Package demo makes up a shop's week and the traffic after it.
//
// Week and Visit are pure: a seed and a time in, hits in their wire formats out,
// the same ones every time. Player sends them to the tracking service as any
// customer's systems would, over HTTP with the sources' own keys and signatures.
// Called by app; imports nothing of the services.
package demo
