package reftest

import "net/url"

// text draws what people write: opt-outs, keywords in several scripts, and what only looks like one.
func (d *draw) text() string {
	return d.pick("hi", "STOP!", "STOP!", "Stop.", " stop ", "STOP!", "stop it", "s t o p", "Stóp", "I am interested", "not interested", "uninterested", "INTERESTED?", "Buy now", "buyer",
		"Jeg vil kjøpe", "jeg VIL  KJOPE!", "vil, kjøpe", "jeg vil ikke, vil kjøpe", "toi muốn mua hang", "ｍｕａ hàng", "アイスコーヒー", "コーヒ", "コーヒー",
		"I can't", "I can’t", "I can", "le prix d'été", "prix ete", "prix", "PRIX-ÉTÉ", "ok \U0001f44d", "\U0001f44d\U0001f3fd", "")
}

// referrer draws where a page view came from, or says it came from.
func (d *draw) referrer() string {
	return d.pick("", "", "", "https://www.google.com/", "https://www.facebook.com/", "https://www.paypal.com/pay", "https://shop.example/",
		"https://blog.other.example/", "https://www.shop.example/x", "HTTPS://WWW.GOOGLE.CO.UK/search?q=x", "android-app://com.google.android.gm/",
		"https://m.youtube.com/watch", "https://www.amazon.de/", "https://notpaypal.com/", "http://localhost:8080/", "not a url", "https://mail.google.com/",
		"https://sub.ebay.com/", "https://10.0.0.1/")
}

// campaignQuery draws campaign parameters over the whole table of channels.
func (d *draw) campaignQuery() string {
	q := url.Values{}
	if d.chance(80) {
		q.Set("utm_source", d.pick("google", "Bing", "facebook", "ig", "amazon", "www.ebay.com", "youtube", "newsletter", "WhatsApp", "messenger", "firebase",
			"sms", "e-mail", "of", "t.co", "price", "site.example"))
	}
	if d.chance(80) {
		q.Set("utm_medium", d.pick("cpc", "CPM", "ppc", "paid_social", "retargeting", "display", "banner", "social", "Social Network", "sm", "video", "organic",
			"referral", "link", "email", "e mail", "affiliate", "audio", "sms", "webpush", "mobile", "notification", "whatsapp", "unheard", "pay"))
	}
	if d.chance(60) {
		q.Set("utm_campaign", d.pick("c1", "c2", "spring", "Cross-Network", "shop", "eshop", "e-shop", "bishop", "workshops", "øshop", "shopping", "x cross-network y"))
	}
	if d.chance(30) {
		q.Set(d.pick("gclid", "gbraid", "wbraid", "fbclid", "msclkid", "ttclid", "li_fat_id", "twclid", "utm_id", "UTM_SOURCE", "dclid"), d.pick("1", "2", "", "utm_x"))
	}
	return "?" + q.Encode()
}
