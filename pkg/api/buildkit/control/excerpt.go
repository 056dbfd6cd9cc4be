// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/json"
	"strconv"
	"strings"

	"coracle/pkg/api/buildkit/grpc"
)

// typeSource is a detail of a failure that shows the lines it is about: BuildKit's
// solver/errdefs, as util/grpcerrors sends it: JSON of the generated type.
const typeSource = "github.com/moby/buildkit/errdefs.Source+json"

// position is a place in a file, of which lines count.
type position struct {
	Line int `json:"line"`
}

// excerpt is the lines of a Dockerfile around a mistake, as package dockerfile has
// them, for a client to print. The lines that are not known are empty there.
func excerpt(text string) (d grpc.Detail, ok bool) {
	lines := strings.Split(text, "\n")
	name, _, found := strings.Cut(lines[0], ":")
	if !found {
		return d, false
	}
	var source []string
	first, last := 0, 0
	for _, l := range lines {
		number, rest, ok := strings.Cut(l, " | ")
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if !ok || err != nil || n < 1 || len(rest) < 4 {
			continue
		}
		for len(source) < n-1 {
			source = append(source, "")
		}
		source = append(source, rest[4:])
		if strings.HasPrefix(rest, ">>>") {
			if first == 0 {
				first = n
			}
			last = n
		}
	}
	var v struct {
		Info struct {
			Filename string `json:"filename"`
			Data     []byte `json:"data"`
		} `json:"info"`
		Ranges []struct {
			Start position `json:"start"`
			End   position `json:"end"`
		} `json:"ranges"`
	}
	v.Info.Filename, v.Info.Data = name, []byte(strings.Join(source, "\n"))
	v.Ranges = append(v.Ranges, struct {
		Start position `json:"start"`
		End   position `json:"end"`
	}{position{first}, position{last}})
	data, err := json.Marshal(v)
	return grpc.Detail{Type: typeSource, Value: data}, err == nil && first > 0
}
