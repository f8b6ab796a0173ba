package policy

// The time units of the policy, in seconds.
const (
	minute = 60
	hour   = 60 * minute
	day    = 24 * hour
)

// Default returns the policy of an empty document.
func Default() Policy {
	return Policy{
		Models:                     []string{LastTouch, Linear},
		HalfLifeSeconds:            7 * day,
		PositionFirst:              "0.4",
		PositionLast:               "0.4",
		TierWeights:                map[string]Number{TierClick: "1", TierReply: "0.8", TierRead: "0.4"},
		Precedence:                 PrecedenceAny,
		ImplicitReplyWindowSeconds: day,
		SessionMessages:            SessionIgnore,
		ConfirmClicks:              ConfirmRedirect,
		BrowserLinks:               LinksOn,
		OptOutTerms:                optOutTerms(),
		IgnoredReferrers:           paymentProviders(),
		BlockedIdentifiers:         []string{},
		Windows: []Window{
			{Tier: TierClick, Seconds: 7 * day},
			{Tier: TierReply, Seconds: 7 * day},
			{Tier: TierRead, Seconds: day},
		},
		Conversions: []Definition{
			{Name: "purchase", Event: "Order Completed", ValueProperties: valueProperties(), RefundEvent: "Order Refunded"},
			{Name: "whatsapp.order", Event: "whatsapp.order", ValueProperties: valueProperties()},
			{Name: "whatsapp.payment", Event: "whatsapp.payment", ValueProperties: valueProperties()},
		},
		KeywordRules: []KeywordRule{},
	}
}

// BlockedByDefault lists the identifiers that name nobody in any workspace: what
// programs write when they have nothing to write. Compared without case.
func BlockedByDefault() []string {
	return []string{
		"", "null", "undefined", "none", "nan", "anonymous", "guest", "unknown", "0", "-1",
		"[object object]", "00000000-0000-0000-0000-000000000000",
	}
}

func valueProperties() []string { return []string{"value", "revenue", "total"} }

// optOutTerms are what people write to be left alone, in English, Norwegian,
// Hebrew, Vietnamese and Chinese. They count only as a whole text, so short words
// are safe. Terms fold as keywords do: marks and case need no variants.
func optOutTerms() []string {
	return []string{
		"stop", "stop all", "stopall", "unsubscribe", "opt out", "optout", "quit", "end", "cancel",
		"stopp", "avslutt", "avmeld", "avmelding", "meld meg av", "meld av",
		"עצור", "עצרו", "הפסק", "הפסיקו", "הסר", "הסירו", "הסר אותי", "הסירו אותי", "להסרה", "בטל",
		"dừng", "dừng lại", "ngừng", "ngưng", "hủy", "hủy đăng ký", "từ chối", "thôi",
		"停止", "退订", "退訂", "取消", "取消订阅", "取消訂閱", "拒收", "td",
	}
}

// paymentProviders are hosts that a buyer passes through between basket and thank
// you page: coming back from one is no new visit.
func paymentProviders() []string {
	return []string{
		"paypal.com", "stripe.com", "klarna.com", "adyen.com", "mollie.com", "checkout.com", "worldpay.com",
		"authorize.net", "squareup.com", "braintreegateway.com", "payu.com", "razorpay.com", "2checkout.com",
		"sagepay.com", "afterpay.com", "clearpay.co.uk", "affirm.com", "pay.amazon.com", "payments.amazon.com",
		"pay.google.com", "paddle.com", "payoneer.com", "skrill.com", "sofort.com", "trustly.com",
		"cardinalcommerce.com", "arcot.com", "shop.app",
		"vipps.no", "vippsmobilepay.com", "mobilepay.dk", "nets.eu", "dibspayment.eu", "swish.nu", "bankid.no", "svea.com",
		"tranzila.com", "cardcom.solutions", "payplus.co.il", "meshulam.co.il", "isracard.co.il", "bitpay.co.il",
		"momo.vn", "vnpay.vn", "vnpayment.vn", "zalopay.vn", "onepay.vn", "payoo.vn",
		"alipay.com", "tenpay.com", "pay.weixin.qq.com", "unionpay.com", "95516.com",
	}
}
