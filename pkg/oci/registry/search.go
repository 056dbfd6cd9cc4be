// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	api "github.com/moby/moby/api/types/registry"
)

// SearchRequest asks a registry which repositories it has.
type SearchRequest struct {
	Domain   string // of the registry, as in canonical names
	Term     string
	Limit    int   // of results, at least 1
	Official *bool // whether they are; nil: all
	Stars    int   // that they have at least
	// Automated wants those that a hub builds: Docker Hub marks none any more, and
	// so does Docker, without asking.
	Automated bool
}

// Bounds of what a registry may answer to a search.
const (
	maxSearch       = 4 << 20  // bytes of one answer
	maxCatalog      = 32 << 20 // bytes of a catalog
	maxCatalogPages = 1000
)

// Search asks the registry of the request: Docker Hub by its index, any other by
// the same protocol of the first registries (GET /v1/search), and where that is
// not spoken by its catalog (GET /v2/_catalog), in which names alone are compared.
//
// Unlike for a pull the registry itself comes first: a mirror has only some of
// what there is. Mirrors, which answer by their catalogs, are asked in their order
// when the registry cannot be reached.
//
// Results are as the registry has them, without its name before theirs, and
// without what would steer a terminal.
func (c *Client) Search(ctx context.Context, r SearchRequest) ([]api.SearchResult, error) {
	if r.Automated {
		return []api.SearchResult{}, nil
	}
	list, err := c.config.endpoints(r.Domain, "", true)
	if err != nil {
		return nil, err
	}
	last := len(list) - 1
	var first error
	for i, e := range slices.Concat(list[last:], list[:last]) {
		found, err := c.searchAt(ctx, e, i > 0, r)
		if err == nil {
			return found, nil
		}
		if first == nil {
			first = err
		}
		var re *Error
		if ctx.Err() != nil || !errors.As(err, &re) || re.Status != 0 { // somebody has answered
			break
		}
	}
	return nil, first
}

func (c *Client) searchAt(ctx context.Context, e endpoint, mirror bool, r SearchRequest) ([]api.SearchResult, error) {
	hub := credentialKey(e.host) == dockerKey
	if hub {
		e.host = "docker.io"
	}
	auth, err := c.access.authenticator(e, r.Domain)
	if err != nil {
		return nil, fmt.Errorf("look up credentials for %s: %w", e.host, err)
	}
	scope := "registry:catalog:*"
	if hub {
		scope = "registry:catalog:search"
	}
	there, err := c.session(e, auth, func(name.Registry) []string { return []string{scope} })
	if err != nil {
		return nil, err
	}
	if err := there.introduce(ctx, e.insecure, hub); err != nil {
		return nil, searchError(explain(e.hostname(), err))
	}
	host := there.reg.RegistryStr()
	s := search{c: &connection{"https://" + host, &http.Client{Transport: there}}, host: host, below: e.path, r: r, results: []api.SearchResult{}}
	if hub || r.Term != "" && e.path == "" && !mirror {
		if err = s.index(ctx); hub || !refused(err) {
			return s.results, searchError(err)
		}
	}
	return s.results, searchError(s.catalog(ctx))
}

// refused reports whether a registry does not do what it was asked for.
func refused(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status >= 400 && e.Status < 500 && e.Status != http.StatusTooManyRequests
}

// introduce begins a session for a search. Docker Hub's index asks nobody who he
// is; as Docker does we say it without being asked, by name and password, or with
// a token of the registry's own server. Elsewhere, registries that speak nothing
// but the first protocol have no /v2/ to ask at.
func (s *session) introduce(ctx context.Context, insecure, hub bool) error {
	have, err := authn.Authorization(ctx, s.auth)
	if err != nil {
		return err
	}
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	if !hub || have.IdentityToken != "" || have.RegistryToken != "" {
		if resp, err = ping(ctx, s.plain, s.reg.RegistryStr(), insecure); err != nil {
			return err
		}
	}
	if resp.StatusCode == http.StatusNotFound {
		resp.StatusCode = http.StatusOK
	}
	return s.begin(ctx, resp)
}

// searchError is a refusal in the words that Docker has for all of them, with what
// the registry says of it.
func searchError(err error) error {
	var re *Error
	if !errors.As(err, &re) || re.Status == 0 {
		return err
	}
	said := ""
	if re.Code != "" && re.Error() != "" {
		said = ": " + re.Error()
	}
	e := &Error{Host: re.Host, Status: re.Status, Code: re.Code, err: fmt.Errorf("unexpected status code %d%s", re.Status, said)}
	switch {
	case re.Denied():
		e.hint = "not everybody may ask " + re.Host + " what it has: log in with `coracle login " + re.Host + "`, or look on its web page"
	case re.Status == http.StatusNotFound:
		e.hint = re.Host + " has neither a search nor a catalog: look on its web page"
	}
	return e
}

// search is one search at one registry.
type search struct {
	c       *connection
	host    string
	below   string // the repositories that are meant begin so; empty: all
	r       SearchRequest
	results []api.SearchResult
	read    int // bytes of the catalog
}

// index asks by the protocol of the first registries, which Docker Hub speaks yet.
func (s *search) index(ctx context.Context) error {
	query := url.Values{"q": {s.r.Term}, "n": {strconv.Itoa(s.r.Limit)}}
	body, _, err := s.get(ctx, s.c.base+"/v1/search?"+query.Encode(), maxSearch)
	if err != nil {
		return err
	}
	var found api.SearchResults
	if err := json.Unmarshal(body, &found); err != nil {
		return fmt.Errorf("error decoding registry search results of %s: %w", s.host, err)
	}
	for _, f := range found.Results {
		s.take(f)
	}
	return nil
}

// catalog looks through the names of all repositories (Docker Registry HTTP API V2,
// "Listing Repositories"). One that is called just so comes first.
func (s *search) catalog(ctx context.Context) error {
	term := strings.ToLower(s.r.Term)
	next := s.c.base + "/v2/_catalog"
	for pages := 0; next != "" && len(s.results) < s.r.Limit; pages++ {
		if pages == maxCatalogPages {
			return fmt.Errorf("read catalog of %s: more than %d pages", s.host, maxCatalogPages)
		}
		body, resp, err := s.get(ctx, next, maxCatalog-s.read)
		if err != nil {
			return err
		}
		s.read += len(body)
		var page struct {
			Repositories []string `json:"repositories"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return fmt.Errorf("error decoding catalog of %s: %w", s.host, err)
		}
		for _, name := range page.Repositories {
			if rest, ok := strings.CutPrefix(name, s.below); ok && strings.Contains(rest, term) {
				s.take(s.named(rest))
			}
		}
		next = nextPage(resp)
	}
	if i := slices.IndexFunc(s.results, func(f api.SearchResult) bool { return f.Name == term }); i > 0 {
		exact := s.results[i]
		s.results = slices.Insert(slices.Delete(s.results, i, i+1), 0, exact)
	}
	return nil
}

// named is the repository of a catalog. Those of Docker Hub are called there, and
// are official or not, as a pull has it.
func (s *search) named(name string) api.SearchResult {
	if s.r.Domain == "docker.io" {
		if short, ok := strings.CutPrefix(name, "library/"); ok {
			return api.SearchResult{Name: short, IsOfficial: true}
		}
	}
	return api.SearchResult{Name: name}
}

// take adds a result that is asked for.
func (s *search) take(f api.SearchResult) {
	if len(s.results) == s.r.Limit || s.r.Official != nil && *s.r.Official != f.IsOfficial || f.StarCount < s.r.Stars {
		return
	}
	f.Name, f.Description = printable(f.Name), printableText(f.Description)
	f.IsAutomated = false //nolint:staticcheck // what Docker Hub says of it means nothing
	s.results = append(s.results, f)
}

// printableText is printable of what may have several lines.
func printableText(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// get fetches at most limit bytes, none of which lets the others wait too long.
func (s *search) get(ctx context.Context, url string, limit int) ([]byte, *http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	resp, err := s.c.request(ctx, http.MethodGet, url, http.Header{"Accept": {"application/json"}}, nil, http.StatusOK)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	slow := time.AfterFunc(stallTime, func() { cancel(fmt.Errorf("no end of it after %v", stallTime)) })
	defer slow.Stop()
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	switch {
	case err != nil && context.Cause(ctx) != nil:
		return nil, nil, fmt.Errorf("read answer of %s: %w", s.host, context.Cause(ctx))
	case err != nil:
		return nil, nil, fmt.Errorf("read answer of %s: %w", s.host, err)
	case len(body) > limit:
		return nil, nil, fmt.Errorf("read answer of %s: too large", s.host)
	}
	return body, resp, nil
}
