// Package browser tests the pixel in real browsers against the whole of Touchline: what
// counts is which facts arrive in PostgreSQL. Chromium, Firefox and WebKitGTK are driven
// by the scripts in ../node/driver; a proxy before the tracking service refuses, cuts and
// loses what a test asks it to. Nothing here reaches a binary.
package browser
