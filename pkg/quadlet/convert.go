// SPDX-License-Identifier: Apache-2.0

package quadlet

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"coracle/pkg/systemd"
)

// Options are what all services have in common.
type Options struct {
	Program []string // the beginning of every command line: the program's absolute path
	// Exists tells whether a path is there, for devices that may be missing.
	Exists func(path string) bool
}

// Result is what became of one file. Err says why there is no service; Notes name
// the keys without effect.
type Result struct {
	Source  string // path
	Service string // name: web.service
	Unit    *systemd.Unit
	Notes   []string
	Err     error
}

// kind is what one kind of file is.
type kind struct {
	section string // with the keys
	suffix  string // of its service's name
	rules   func() map[string]rule
	build   func(*conversion) error // makes the service; nil refuses the kind
	why     string                  // then
}

const whyPods = "there are no pods: in place of Pod=, containers that find each other by name have Network=x.network in their .container files, and those that share an address Network=first.container, where the first publishes the ports"

// kinds are the kinds of files, by their ending.
func kinds() map[string]kind {
	return map[string]kind{
		"container": {section: "Container", rules: containerRules, build: (*conversion).container},
		"volume":    {section: "Volume", suffix: "-volume", rules: volumeRules, build: (*conversion).volume},
		"network":   {section: "Network", suffix: "-network", rules: networkRules, build: (*conversion).network},
		"image":     {section: "Image", suffix: "-image", rules: imageRules, build: (*conversion).image},
		"build":     {section: "Build", suffix: "-build", rules: buildRules, build: (*conversion).build},
		"pod":       {section: "Pod", suffix: "-pod", why: whyPods},
		"kube":      {section: "Kube", why: "Kubernetes' files are not read: write a .container file for each of its containers, with Network= of one .network file"},
		"artifact":  {section: "Artifact", suffix: "-artifact", why: "there are no artifacts: an image mounts as files, too (Mount=type=image)"},
	}
}

// conversion is the making of one service.
type conversion struct {
	Source
	kind
	o       Options
	all     map[string]Source // by name: what others refer to
	keys    map[string]rule
	from    *systemd.Section // the kind's own
	unit    *systemd.Unit
	service *systemd.Section
	args    []string
	notes   []string
}

// Convert makes services of files. They may refer to each other.
func Convert(files []Source, o Options) []Result {
	all := map[string]Source{}
	for _, f := range files {
		all[f.name()] = f
	}
	results := make([]Result, len(files))
	for i, f := range files {
		results[i] = convert(f, all, o)
	}
	return results
}

func convert(f Source, all map[string]Source, o Options) Result {
	k := kinds()[f.kind()]
	r := Result{Source: f.Path, Service: serviceOf(f)}
	if k.build == nil {
		r.Err = errors.New(k.why)
		return r
	}
	c := &conversion{Source: f, kind: k, keys: k.rules(), o: o, all: all, unit: &systemd.Unit{}}
	if r.Err = c.begin(); r.Err == nil {
		r.Err = k.build(c)
	}
	if r.Err == nil {
		c.end()
		r.Unit = c.unit
	}
	r.Notes = c.notes
	return r
}

// begin takes over the sections that are systemd's, and checks the keys of ours.
func (c *conversion) begin() error {
	c.from = &systemd.Section{}
	for _, s := range c.Unit.Sections {
		switch {
		case s.Name == c.section:
			c.from = s
			if err := c.check(); err != nil {
				return err
			}
		case s.Name == "Quadlet":
			for _, e := range s.Entries {
				if e.Key != "DefaultDependencies" { // without effect: network-online is never waited for
					return fmt.Errorf("unsupported key '%s' in group 'Quadlet'", e.Key)
				}
			}
		case kindOf(s.Name):
			return fmt.Errorf("group '%s' in a .%s file", s.Name, c.Source.kind())
		default:
			to := c.unit.Section(s.Name)
			for _, e := range s.Entries {
				to.Add(e.Key, c.translated(s.Name, e))
			}
		}
	}
	c.unit.Section("Unit").Add("SourcePath", c.Path)
	c.service = c.unit.Section("Service")
	c.args = slices.Clone(c.o.Program)
	return nil
}

// kindOf reports whether a section is that of a kind.
func kindOf(section string) bool {
	for _, k := range kinds() {
		if k.section == section {
			return true
		}
	}
	return false
}

// check refuses keys that cannot be done, and notes those without effect.
func (c *conversion) check() error {
	for _, e := range c.from.Entries {
		r, known := c.keys[e.Key]
		switch {
		case !known:
			return fmt.Errorf("unsupported key '%s' in group '%s'", e.Key, c.section)
		case e.Value == "":
		case r.how == refused:
			return fmt.Errorf("%s=%s: %s", e.Key, e.Value, r.say)
		case r.how == noted:
			c.note("%s=%s has no effect: %s", e.Key, e.Value, r.say)
		}
	}
	return nil
}

func (c *conversion) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(c.notes, n) {
		c.notes = append(c.notes, n)
	}
}

// dependencies are the keys of [Unit] that name units.
var dependencies = []string{
	"After", "Before", "BindsTo", "Conflicts", "OnFailure", "OnSuccess", "PartOf", "PropagatesReloadTo", "PropagatesStopTo",
	"ReloadPropagatedFrom", "Requires", "Requisite", "StopPropagatedFrom", "Upholds", "Wants",
}

// translated is an assignment's value, with the services of files in place of
// their names where units are named.
func (c *conversion) translated(section string, e systemd.Entry) string {
	if section != "Unit" || !slices.Contains(dependencies, e.Key) {
		return e.Value
	}
	words := strings.Fields(e.Value)
	for i, w := range words {
		if f, there := c.all[w]; there {
			words[i] = serviceOf(f)
		}
	}
	return strings.Join(words, " ")
}

// serviceOf is the name of a file's service.
func serviceOf(f Source) string {
	k := kinds()[f.kind()]
	if name := f.Unit.Section(k.section).Last("ServiceName"); name != "" {
		return name + ".service"
	}
	if prefix, instance, template := strings.Cut(f.stem(), "@"); template {
		return prefix + k.suffix + "@" + instance + ".service"
	}
	return f.stem() + k.suffix + ".service"
}

// needs makes another file's service come first, and returns the file.
func (c *conversion) needs(name string) (Source, error) {
	f, there := c.all[name]
	if !there {
		return f, fmt.Errorf("requested Quadlet unit %s was not found", name)
	}
	u := c.unit.Section("Unit")
	u.Add("Requires", serviceOf(f))
	u.Add("After", serviceOf(f))
	return f, nil
}

// resource is the name of what a file makes: the one that it says, or systemd-STEM.
func resource(f Source, key string) string {
	if name := f.Unit.Section(kinds()[f.kind()].section).Last(key); name != "" {
		return name
	}
	if prefix, instance, template := strings.Cut(f.stem(), "@"); template {
		if instance == "" {
			instance = "%i"
		}
		return "systemd-" + prefix + "_" + instance
	}
	return "systemd-" + f.stem()
}

// end puts the parts together.
func (c *conversion) end() {
	c.service.Add("ExecStart", systemd.Quote(c.args...))
	c.service.Default("SyslogIdentifier", "%N")
}

// oneshot makes the service one that does something once. remain leaves it active.
func (c *conversion) oneshot(remain bool) {
	c.service.Default("Type", "oneshot")
	if remain {
		c.service.Default("RemainAfterExit", "yes")
	}
}

// absolute is a path of the file's: relative ones are relative to the file. One
// that begins with a specifier is for systemd to say.
func (c *conversion) absolute(path string) string {
	if filepath.IsAbs(path) || strings.HasPrefix(path, "%") {
		return path
	}
	return filepath.Join(filepath.Dir(c.Path), path)
}
