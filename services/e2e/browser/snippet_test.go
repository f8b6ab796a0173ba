package browser

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// shopify is the documented shape of a custom pixel's surroundings: a sandbox without an
// origin, analytics.subscribe, and an event of the checkout.
const shopify = `<script>
	var subscribers = {};
	var analytics = {subscribe: function (name, callback) { subscribers[name] = callback }};
</script><script>PIXEL</script><script>
	subscribers.checkout_completed({
		id: 'sh-7f2d1c9a-41B2', name: 'checkout_completed', clientId: 'c0f1d6a2-0b7e-4d8e-9a55-4f6f8d1e2b3c', timestamp: new Date().toISOString(),
		context: {document: {location: {href: 'https://shop.example/checkouts/cn/1/thank_you'}}},
		data: {checkout: {order: {id: 'gid-5001'}, email: 'a@example.com', phone: '+4790000001', currencyCode: 'NOK', totalPrice: {amount: 19.9, currencyCode: 'NOK'}}},
	});
	document.title = self.origin;
</script>`

// The custom pixel of the docs for Shopify, where its sandbox has it run: the order arrives
// with who bought.
func TestPixel_ShopifyCheckout(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../../pixel/docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```js\n(// A custom pixel runs.*?)```").FindSubmatch(docs)
	if found == nil {
		t.Fatal("install.md has no custom pixel for Shopify")
	}
	in(t, both, func(t *testing.T, w *world) {
		pixel := strings.NewReplacer("https://t.example.com", host(w.proxy.server, "t.shop.localhost"), "WRITE_KEY", w.key).Replace(string(found[1]))
		b := w.visit("/checkout", page{
			noTag: true, headers: map[string]string{"Content-Security-Policy": "sandbox allow-scripts"},
			body: strings.ReplaceAll(shopify, "PIXEL", pixel),
		})
		var origin string
		b.evaluate("self.origin", &origin)
		if origin != "null" {
			t.Fatalf("the sandbox has the origin %q: the test shows nothing", origin)
		}
		w.last = page{}
		order := one(w.expect("Order Completed"), "Order Completed")
		if order.Event.Properties.OrderID != "gid-5001" || len(order.Identifiers) != 2 || len(order.Device) == 0 {
			t.Errorf("order %q, %d identifiers, device %s", order.Event.Properties.OrderID, len(order.Identifiers), order.Device)
		}
	})
}
