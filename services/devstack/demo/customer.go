package demo

import (
	"fmt"
	"math/rand/v2"
)

// Customers is how many people the made-up shop knows.
const Customers = 300

// customer is a made-up person. The phone numbers are valid but begin with five
// digits that make them easy to tell from real ones.
type customer struct {
	number   int
	phone    string // E.164
	email    string
	userID   string // empty: never made an account
	device   string
	language string // of the messages sent to them
}

// person returns customer n, the same each time.
func person(n int) customer {
	c := customer{
		number: n, phone: fmt.Sprintf("+4790000%03d", n), email: fmt.Sprintf("customer%03d@example.com", n),
		device: fmt.Sprintf("demo-device-%03d", n), language: "nb",
	}
	if n%3 != 0 {
		c.userID = fmt.Sprintf("customer-%03d", n)
	}
	if n%5 == 0 {
		c.language = "en"
	}
	return c
}

// waID is the phone as WhatsApp writes it.
func (c customer) waID() string { return c.phone[1:] }

func anyone(r *rand.Rand) customer { return person(1 + r.IntN(Customers)) }

// product is one of the things the made-up shop sells; price in whole kroner.
type product struct {
	sku, path string
	price     int
}

// products are the same three that the shop page shows.
func products() []product {
	return []product{{"mug", "/?product=mug", 249}, {"blanket", "/?product=blanket", 899}, {"lamp", "/?product=lamp", 1490}}
}
