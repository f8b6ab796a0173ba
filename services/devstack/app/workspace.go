package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/touchline/touchline/services/devstack/demo"
)

// credentials is .local/credentials.json, whose names are fixed: other people's
// programs read it.
type credentials struct {
	TrackingURL    string `json:"tracking_url"`
	APIURL         string `json:"api_url"`
	DashboardURL   string `json:"dashboard_url"`
	AdminToken     string `json:"admin_token"`
	WorkspaceID    string `json:"workspace_id"`
	WorkspaceToken string `json:"workspace_token"`
	WriteKey       string `json:"write_key"`
	ServerKey      string `json:"server_key"`
}

// demoPolicy keeps every model, so that they can be compared, and makes leads of
// what people write.
func demoPolicy() map[string]any {
	return map[string]any{
		"models": []string{"first_touch", "last_touch", "linear", "time_decay", "position_based", "tier_weighted"},
		"conversions": []map[string]any{
			{"name": "purchase", "event": "Order Completed", "refund_event": "Order Refunded"},
			{"name": "whatsapp.order", "event": "whatsapp.order"},
			{"name": "whatsapp.payment", "event": "whatsapp.payment"},
			{"name": "lead", "event": "Offer Wanted", "once_within_seconds": 7 * 24 * 3600},
			{"name": "question", "event": "Stock Question", "once_within_seconds": 24 * 3600},
		},
		"keyword_rules": []map[string]any{
			{"event": "Offer Wanted", "any": []string{"ja takk", "yes please", "tilbud"}, "none": []string{"nei", "no thanks"}},
			{"event": "Stock Question", "any": []string{"på lager", "in stock"}},
		},
	}
}

// ensureWorkspace makes the demo workspace with its sources, unless the one that
// is remembered is still there. It reports whether it made one. A start that was
// killed halfway leaves an unused workspace behind and makes another.
func ensureWorkspace(ctx context.Context, platform client, st *state, sec secrets) (made bool, token string, err error) {
	if st.Workspace.ID != "" {
		return false, "", nil
	}
	var created struct{ ID, Token string }
	err = platform.call(ctx, request{Method: http.MethodPost, Path: "/v1/workspaces", In: map[string]any{
		"name": "Demo shop", "currency": "NOK", "timezone": "Europe/Oslo", "country": "NO", "demo": true,
	}, Out: &created})
	if err != nil {
		return false, "", err
	}
	admin := client{url: platform.url, token: created.Token}
	keys, err := makeSources(ctx, admin, sec)
	if err != nil {
		return false, "", err
	}
	if err := admin.call(ctx, request{Method: http.MethodPut, Path: "/v1/policy", In: demoPolicy()}); err != nil {
		return false, "", err
	}
	st.Workspace = workspace{ID: created.ID, Keys: keys}
	return true, created.Token, nil
}

// makeSources makes one source of each kind and returns what they sign in with.
func makeSources(ctx context.Context, admin client, sec secrets) (demo.Keys, error) {
	keys := demo.Keys{WebhookSecret: sec.WebhookSecret, AppSecret: sec.AppSecret}
	var unused string
	for _, source := range []struct {
		body      map[string]any
		key, path *string
	}{
		{map[string]any{"kind": "pixel", "name": "Web shop"}, &keys.PixelKey, &unused},
		{map[string]any{"kind": "server", "name": "Shop system"}, &keys.ServerKey, &unused},
		{map[string]any{
			"kind": "webhook", "name": "Orders", "config": map[string]string{"secret": sec.WebhookSecret},
		}, &unused, &keys.WebhookPath},
		{map[string]any{
			"kind": "whatsapp", "name": "Oslo number",
			"config": map[string]string{"app_secret": sec.AppSecret, "verify_token": sec.VerifyToken},
		}, &unused, &keys.WhatsAppPath},
	} {
		var answer struct {
			WriteKey    string `json:"write_key"`
			WebhookPath string `json:"webhook_path"`
		}
		if err := admin.call(ctx, request{Method: http.MethodPost, Path: "/v1/sources", In: source.body, Out: &answer}); err != nil {
			return keys, err
		}
		*source.key, *source.path = answer.WriteKey, answer.WebhookPath
	}
	return keys, nil
}

// exists asks whether the workspace of a token is still there: somebody may have
// deleted it, or the database with it.
func exists(ctx context.Context, c client) (bool, error) {
	err := c.call(ctx, request{Method: http.MethodGet, Path: "/v1/policy"})
	var status *statusError
	if errors.As(err, &status) && (status.Code == http.StatusNotFound || status.Code == http.StatusUnauthorized || status.Code == http.StatusForbidden) {
		return false, nil
	}
	return err == nil, err
}
