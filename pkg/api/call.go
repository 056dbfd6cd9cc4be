// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/registry"

	"coracle/pkg/docker"
	"coracle/pkg/hint"
	registries "coracle/pkg/oci/registry"
)

// maxBody bounds bodies that are JSON, in bytes. The largest that clients send are
// configurations of containers.
const maxBody = 8 << 20

// call is one request, and its answer.
type call struct {
	e       *Engine
	r       *http.Request
	w       http.ResponseWriter
	name    string     // what the part in braces of the pattern is
	version string     // that the client speaks
	form    url.Values // parameters of the address
	begun   bool       // the answer has been begun
}

// ctx ends when the client leaves. After a hijack that is for [conn] to see.
func (c *call) ctx() context.Context { return c.r.Context() }

// whole is the context of what is not left half done: it goes on when the client leaves,
// and for a while when the process is told to end.
func (c *call) whole() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.ctx()))
	end, ok := c.ctx().Value(endKey{}).(context.Context)
	if !ok {
		return ctx, cancel
	}
	stop := context.AfterFunc(end, func() { time.AfterFunc(wholeTime, cancel) })
	return ctx, func() {
		stop()
		cancel()
	}
}

// before reports whether the client speaks an older version than this.
func (c *call) before(version string) bool { return older(c.version, version) }

func parseForm(r *http.Request) (url.Values, error) {
	form, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("%w", err)
	}
	return form, nil
}

// text is a parameter, or empty.
func (c *call) text(key string) string { return c.form.Get(key) }

// flag is a parameter that is true or false: all but a few words are true.
func (c *call) flag(key string) bool { return c.flagOr(key, false) }

// flagOr is flag with what counts where the parameter is not there.
func (c *call) flagOr(key string, missing bool) bool {
	if !c.form.Has(key) {
		return missing
	}
	switch strings.ToLower(strings.TrimSpace(c.form.Get(key))) {
	case "", "0", "no", "false", "none":
		return false
	}
	return true
}

// number is a parameter that is a whole number, or nil where it is not there.
func (c *call) number(key string) (*int, error) {
	v := c.form.Get(key)
	if v == "" {
		return nil, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return nil, invalid("%w", err)
	}
	return &n, nil
}

// filters reads the parameter of that name in either form, for a function of
// package docker that knows the keys.
func (c *call) filters(parse func([]string) (docker.Filters, error)) (docker.Filters, error) {
	list, err := docker.FilterTexts(c.form.Get("filters"))
	if err != nil {
		return nil, err
	}
	return parse(list)
}

// decode reads a body of JSON. None leaves what is there.
func (c *call) decode(into any) error {
	if c.r.ContentLength == 0 || c.r.Body == nil {
		return nil
	}
	ct := c.r.Header.Get("Content-Type")
	kind, _, err := mime.ParseMediaType(ct)
	if err != nil {
		return invalid("malformed Content-Type header (%s): %w", ct, err)
	}
	if kind != "application/json" {
		return invalid("unsupported Content-Type header (%s): must be 'application/json'", ct)
	}
	return c.decodeAny(into)
}

// decodeAny is decode of a body whose type old clients do not say.
func (c *call) decodeAny(into any) error {
	in := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	err := in.Decode(into)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &docker.Refusal{Kind: docker.Invalid, Message: "invalid JSON: the request body is too large: more than " + strconv.Itoa(maxBody) + " bytes"}
	case err == io.EOF:
		return invalid("invalid JSON: got EOF while reading request body")
	case err != nil:
		return invalid("invalid JSON: %w", err)
	case in.More():
		return invalid("unexpected content after JSON")
	}
	return nil
}

// access is who asks registries for this client: with what it has sent along, which
// is kept nowhere.
func (c *call) access() registries.Access {
	a := c.e.Access
	var auth registry.AuthConfig
	if decodeHeader(c.r.Header.Get(registry.AuthHeader), &auth) && auth != (registry.AuthConfig{}) { // {} is of a client that has none
		a.Auth = &auth
	}
	return a
}

// decodeHeader reads JSON in base64: clients pad it or not, and old ones use the
// other alphabet. Docker ignores what is none: a push once took any header, and
// scripts send `X-Registry-Auth: x`.
func decodeHeader(header string, into any) bool {
	text := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(header, "="))
	data, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && json.Unmarshal(data, into) == nil
}

// begin writes the headers. What follows is the body.
func (c *call) begin(status int, contentType string) {
	if contentType != "" {
		c.w.Header().Set("Content-Type", contentType)
	}
	c.begun = true
	c.w.WriteHeader(status)
}

// done answers without a body.
func (c *call) done(status int) error {
	c.begin(status, "")
	return nil
}

// answer is v as JSON. As in Docker, < > and & stand for themselves.
func (c *call) answer(status int, v any) error {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	if err := out.Encode(v); err != nil {
		return err
	}
	c.begin(status, "application/json")
	_, _ = c.w.Write(b.Bytes()) // a client that has left
	return nil
}

// fail is the answer about an error, unless an answer has begun: then there is
// nothing to say.
func (c *call) fail(err error) {
	if c.begun {
		return
	}
	kind := docker.KindOf(err)
	if kind == docker.NotModified {
		_ = c.done(kind.Status())
		return
	}
	_ = c.answer(kind.Status(), map[string]string{"message": errorText(err)})
}

// errorText is what a client is told of an error, one sentence. Where Docker has none that
// clients look for, what can be done follows in parentheses.
func errorText(err error) string {
	if kind := docker.KindOf(err); kind == docker.Failure || kind == docker.NotSupported {
		return withHint(err.Error(), hint.Of(err))
	}
	return err.Error()
}

func withHint(text, hint string) string {
	if hint == "" {
		return text
	}
	return text + " (" + hint + ")"
}

// invalid refuses what cannot be meant; the cause is what %w names.
func invalid(format string, args ...any) error { return docker.Refuse(docker.Invalid, format, args...) }
