// SPDX-License-Identifier: Apache-2.0

package formatter

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/image"
)

const (
	none      = "<none>"
	unknown   = "N/A"
	sinceOrNA = "{{if .CreatedSince}}{{.CreatedSince}}{{else}}N/A{{end}}"
)

// Images is the list of images.
func Images(digests bool) List {
	column, also := "", ""
	if digests {
		column, also = "{{.Digest}}\t", "{{.Digest}}"
	}
	raw := "repository: {{.Repository}}\ntag: {{.Tag}}\n"
	if digests {
		raw += "digest: {{.Digest}}\n"
	}
	return List{
		heads: Heads{
			"ID": "IMAGE ID", "Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT",
			"Size": "SIZE", "VirtualSize": "SIZE", "Containers": "CONTAINERS", "SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE",
		},
		table: "{{.Repository}}\t{{.Tag}}\t" + column + "{{.ID}}\t" + sinceOrNA + "\t{{.Size}}",
		quiet: "{{.ID}}", rawQuiet: "image_id: {{.ID}}", also: also,
		raw: raw + "image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n",
	}
}

// ImageContext is a name of an image in a list.
type ImageContext = imageContext

type imageContext struct {
	Containers   string
	CreatedAt    string
	CreatedSince string
	Digest       string
	ID           string
	Repository   string
	SharedSize   string
	Size         string
	Tag          string
	UniqueSize   string
	VirtualSize  string `json:"-"` // dropped in version 25
}

// MarshalJSON makes of <, > and & what Docker does.
func (c *imageContext) MarshalJSON() ([]byte, error) {
	type plain imageContext
	return json.Marshal((*plain)(c))
}

// ImageRows are the rows of one image at the time now: one for each name, and
// one for each digest of a repository that has no name. digests shows the
// digests of names, too.
func ImageRows(s image.Summary, digests, short bool, now time.Time) []*imageContext {
	created := time.Unix(s.Created, 0)
	base := imageContext{
		ID: shortID(s.ID, short), CreatedAt: created.String(), Size: units.HumanSizeWithPrecision(float64(s.Size), 3),
		Containers: unknown, SharedSize: unknown, UniqueSize: unknown, Repository: none, Tag: none, Digest: none,
	}
	base.VirtualSize = base.Size
	if !created.IsZero() {
		base.CreatedSince = units.HumanDuration(now.Sub(created)) + " ago"
	}
	if s.Containers >= 0 {
		base.Containers = strconv.FormatInt(s.Containers, 10)
	}
	if s.SharedSize >= 0 {
		base.SharedSize = units.HumanSize(float64(s.SharedSize))
		base.UniqueSize = units.HumanSize(float64(s.Size - s.SharedSize))
	}
	var rows []*imageContext
	add := func(repo, tag, digest string) {
		row := base
		row.Repository, row.Tag, row.Digest = repo, tag, digest
		rows = append(rows, &row)
	}
	tagged := map[string]bool{}
	for _, name := range s.RepoTags {
		repo, tag := cutLast(name, ":")
		tagged[repo] = true
		shown := digestsOf(s.RepoDigests, repo)
		if !digests || len(shown) == 0 {
			shown = []string{none}
		}
		for _, d := range shown {
			add(repo, tag, d)
		}
	}
	seen := map[string]bool{}
	for _, name := range s.RepoDigests {
		repo, digest, _ := strings.Cut(name, "@")
		switch {
		case tagged[repo] || !digests && seen[repo]:
		case digests:
			add(repo, none, digest)
		default:
			add(repo, none, "")
		}
		seen[repo] = true
	}
	if len(rows) == 0 {
		return []*imageContext{&base}
	}
	return rows
}

func digestsOf(names []string, repo string) (all []string) {
	for _, n := range names {
		if r, digest, _ := strings.Cut(n, "@"); r == repo {
			all = append(all, digest)
		}
	}
	return all
}

func cutLast(s, sep string) (before, after string) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+len(sep):]
}

// History is the list of what an image was made by.
func History(human bool) List {
	created := "{{.CreatedSince}}"
	if !human {
		created = "{{.CreatedAt}}"
	}
	return List{
		heads: Heads{"ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY", "Size": "SIZE", "Comment": "COMMENT"},
		table: "{{.ID}}\t" + created + "\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}", quiet: "{{.ID}}",
	}
}

// HistoryContext is a step in the history of an image.
type HistoryContext = historyContext

type historyContext struct {
	Comment      string
	CreatedAt    string
	CreatedBy    string
	CreatedSince string
	ID           string
	Size         string
}

// MarshalJSON makes of <, > and & what Docker does.
func (c *historyContext) MarshalJSON() ([]byte, error) {
	type plain historyContext
	return json.Marshal((*plain)(c))
}

// HistoryRow is one step at the time now.
func HistoryRow(h image.HistoryResponseItem, human, short bool, now time.Time) *historyContext {
	created := time.Unix(h.Created, 0)
	row := &historyContext{
		ID: h.ID, CreatedAt: created.Format(time.RFC3339), CreatedBy: Clean(strings.ReplaceAll(h.CreatedBy, "\t", " ")), Comment: Clean(h.Comment),
		CreatedSince: unknown, Size: strconv.FormatInt(h.Size, 10),
	}
	if h.ID != "<missing>" {
		row.ID = shortID(h.ID, short)
	}
	if short {
		row.CreatedBy = ellipsis(row.CreatedBy, 45)
	}
	if !human {
		row.CreatedSince = row.CreatedAt
		return row
	}
	row.Size = units.HumanSizeWithPrecision(float64(h.Size), 3)
	if created.Year() >= 2000 { // before it a time is none, but a way to write the same image twice
		row.CreatedSince = units.HumanDuration(now.Sub(created)) + " ago"
	}
	return row
}
