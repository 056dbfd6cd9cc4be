// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// The labels of docker compose (pkg/api/labels.go of its source), which other
// programs read, too.
const (
	LabelProject         = "com.docker.compose.project"
	LabelService         = "com.docker.compose.service"
	LabelHash            = "com.docker.compose.config-hash"
	LabelNumber          = "com.docker.compose.container-number"
	LabelVolume          = "com.docker.compose.volume"
	LabelNetwork         = "com.docker.compose.network"
	LabelWorkingDir      = "com.docker.compose.project.working_dir"
	LabelConfigFiles     = "com.docker.compose.project.config_files"
	LabelEnvironmentFile = "com.docker.compose.project.environment_file"
	LabelOneoff          = "com.docker.compose.oneoff"
	LabelSlug            = "com.docker.compose.slug"
	LabelImage           = "com.docker.compose.image"
	LabelDependsOn       = "com.docker.compose.depends_on"
	LabelVersion         = "com.docker.compose.version"
	LabelReplace         = "com.docker.compose.replace"

	// LabelFiles is coracle's own: the hash of what was put into the container's
	// files. Where it is missing nothing is known of that.
	LabelFiles = "coracle.compose.files-hash"
)

// Version is that of docker compose whose words, labels and hashes these are.
const Version = "5.6.0"

// ServiceLabels are what all containers of a service have.
func ServiceLabels(p *types.Project, service string) types.Labels {
	return types.Labels{
		LabelProject: p.Name, LabelService: service, LabelVersion: Version,
		LabelWorkingDir: p.WorkingDir, LabelConfigFiles: strings.Join(p.ComposeFiles, ","), LabelOneoff: "False",
	}
}

// labels are those of one container: the image's come from the image.
func labels(s types.ServiceConfig, o Options, hash string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, s.Labels)
	maps.Copy(all, s.CustomLabels)
	all[LabelHash], all[LabelNumber], all[LabelDependsOn], all[LabelImage] = hash, strconv.Itoa(o.Number), dependencies(s), o.ImageID
	if o.Replaces != "" {
		all[LabelReplace] = o.Replaces
	}
	maps.Copy(all, o.Labels)
	return all
}

// dependencies are a service's, as docker compose writes them down for whoever has
// no file: SERVICE:CONDITION:RESTART,…
func dependencies(s types.ServiceConfig) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
		d := s.DependsOn[name]
		list = append(list, fmt.Sprintf("%s:%s:%t", name, d.Condition, d.Restart))
	}
	return strings.Join(list, ",")
}

// Dependency is one of those, read back.
type Dependency struct {
	Service, Condition string
	Restart            bool
}

// ParseDependencies reads the label.
func ParseDependencies(label string) (list []Dependency) {
	for part := range strings.SplitSeq(label, ",") {
		fields := strings.Split(part, ":")
		if fields[0] == "" {
			continue
		}
		d := Dependency{Service: fields[0], Condition: types.ServiceConditionStarted}
		if len(fields) > 1 && fields[1] != "" {
			d.Condition = fields[1]
		}
		d.Restart = len(fields) > 2 && fields[2] == "true"
		list = append(list, d)
	}
	return list
}
