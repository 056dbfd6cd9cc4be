// SPDX-License-Identifier: Apache-2.0

package formatter

import (
	"strings"
	"testing"

	"github.com/moby/moby/api/types/registry"
)

func TestSearchFormats(t *testing.T) {
	found := []registry.SearchResult{
		{Name: "busybox", StarCount: 3000, IsOfficial: true, Description: "Busybox base image."},
		{Name: "a/b\x1b[2J", Description: "line\r\nof <\x1b[31mred\x07>\u009b and\t" + strings.Repeat("ü", 40)},
	}
	rows := func(short bool) (all []*SearchContext) {
		for _, f := range found {
			all = append(all, SearchRow(f, short))
		}
		return all
	}
	cut := "line  of <[31mred> and " + strings.Repeat("ü", 21) + "…"
	for asked, want := range map[string]string{
		"": "NAME      DESCRIPTION                                     STARS     OFFICIAL\n" +
			"busybox   Busybox base image.                             3000      [OK]\n" +
			"a/b[2J    " + cut + "   0         \n",
		"{{.Name}} {{.StarCount}} {{.IsOfficial}}|{{.IsAutomated}}":     "busybox 3000 [OK]|\na/b[2J 0 |\n",
		"table {{.Name}}\t{{.IsAutomated}}\t{{.IsOfficial}}":            "NAME      AUTOMATED   OFFICIAL\nbusybox               [OK]\na/b[2J                \n",
		"{{if .IsOfficial}}{{json .}}{{end}}":                           `{"Description":"Busybox base image.","IsOfficial":"true","Name":"busybox","StarCount":"3000"}` + "\n\n",
		`{{if not .IsOfficial}}{{json .}} {{json .Description}}{{end}}`: "\n" + `{"Description":"` + strings.NewReplacer("<", `\u003c`, ">", `\u003e`).Replace(cut) + `","IsOfficial":"false","Name":"a/b[2J","StarCount":"0"} "` + cut + "\"\n",
	} {
		if got := show(t, Search(), asked, false, rows(true)...); got != want {
			t.Errorf("%q:\n%q, want\n%q", asked, got, want)
		}
	}
	if got := show(t, Search(), "{{.Description}}", false, rows(false)...); strings.Contains(got, "…") || !strings.HasSuffix(got, strings.Repeat("ü", 40)+"\n") {
		t.Errorf("cut although it should not be: %s", got)
	}
}
