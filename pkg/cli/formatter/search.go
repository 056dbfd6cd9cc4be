// SPDX-License-Identifier: Apache-2.0

package formatter

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/registry"
)

// Search is the list of what a registry has found.
func Search() List {
	return List{
		heads: Heads{"Name": "NAME", "Description": "DESCRIPTION", "StarCount": "STARS", "IsOfficial": "OFFICIAL", "IsAutomated": "AUTOMATED"},
		table: "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
	}
}

// SearchContext is a repository in a list.
type SearchContext = searchContext

type searchContext struct {
	Description string
	IsAutomated string `json:"-"` // dropped in version 29: it is never set
	IsOfficial  string
	Name        string
	StarCount   string
}

// MarshalJSON makes of <, > and & what Docker does, and has words where a table has
// a mark.
func (c *searchContext) MarshalJSON() ([]byte, error) {
	type plain searchContext
	row := plain(*c)
	row.IsOfficial = strconv.FormatBool(c.IsOfficial != "")
	return json.Marshal(row)
}

// SearchRow is the row of one repository.
func SearchRow(r registry.SearchResult, short bool) *searchContext {
	row := &searchContext{
		Name: Clean(r.Name), StarCount: strconv.Itoa(r.StarCount),
		Description: Clean(strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(r.Description)),
	}
	if short {
		row.Description = ellipsis(row.Description, 45)
	}
	if r.IsOfficial {
		row.IsOfficial = "[OK]"
	}
	return row
}
