// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/mount"

	"coracle/pkg/container"
)

// setMounts takes what is to be mounted.
func (d *draft) setMounts() error {
	var asked []container.Mount
	for _, read := range []func() ([]container.Mount, error){d.binds, d.mounts, d.tmpfs} {
		list, err := read()
		if err != nil {
			return err
		}
		asked = append(asked, list...)
	}
	for i := range asked {
		m := &asked[i]
		if m.Type == container.MountBind && d.w.NoEngine != nil && d.w.NoEngine(m.Source) {
			m.API, m.CreateSource = true, false
			d.warnOf(Warning{Text: "the container has Docker's socket: it can do with all of your containers, and so with your files, what you can", Once: "socket"})
			continue
		}
		if err := d.w.CheckSource(*m); err != nil {
			return invalid("%w", err)
		}
	}
	from, err := d.volumesFrom()
	if err != nil {
		return err
	}
	anonymous := slices.Sorted(maps.Keys(d.req.Volumes))
	for _, target := range anonymous {
		m := container.Mount{Type: container.MountVolume, Target: target}
		if err := m.CheckTarget(); err != nil {
			return invalid("%w", err)
		}
	}
	d.rec.Mounts, err = container.MergeMounts(asked, from, slices.AppendSeq(anonymous, maps.Keys(d.image.Volumes)))
	if err != nil {
		return invalid("%w", err)
	}
	for i := range d.rec.Mounts {
		m := &d.rec.Mounts[i]
		if m.Type != container.MountImage {
			continue
		}
		if m.Name, m.LayerDirs, err = d.w.Image(m.Source); err != nil {
			return err
		}
	}
	return nil
}

// binds reads HostConfig.Binds, of which one that is given twice counts once.
func (d *draft) binds() (list []container.Mount, err error) {
	given := d.req.HostConfig.Binds
	for i, v := range given {
		if slices.Contains(given[:i], v) {
			continue
		}
		m, err := ParseBind(v)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

func (d *draft) mounts() (list []container.Mount, err error) {
	for _, v := range d.req.HostConfig.Mounts {
		m, err := mountOf(v)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

func (d *draft) tmpfs() (list []container.Mount, err error) {
	for _, target := range slices.Sorted(maps.Keys(d.req.HostConfig.Tmpfs)) {
		options := d.req.HostConfig.Tmpfs[target]
		if strings.Contains(target, ":") {
			return nil, invalid("invalid mount path: '%s'", target)
		}
		m, err := container.ParseTmpfs(target + ":" + options)
		if err != nil {
			return nil, invalid("%w", err)
		}
		m.Given = options
		list = append(list, m)
	}
	return list, nil
}

// volumesFrom takes the volumes and binds of other containers.
func (d *draft) volumesFrom() (all []container.Mount, err error) {
	for _, a := range d.req.HostConfig.VolumesFrom {
		name, mode, _ := strings.Cut(a, ":")
		if name == "" {
			return nil, invalid("invalid volumes-from specification: '%s'", a)
		}
		readOnly, err := parseFromMode(mode)
		if err != nil {
			return nil, err
		}
		other, err := d.w.Container(name)
		if err != nil {
			return nil, err
		}
		for _, m := range other.Mounts {
			if m.Type == container.MountTmpfs {
				continue
			}
			m.ReadOnly, m.Inherited, m.NoCopy = m.ReadOnly || readOnly, true, true
			all = append(all, m)
		}
	}
	return all, nil
}

// mountOf is what one of HostConfig.Mounts asks for.
func mountOf(q mount.Mount) (container.Mount, error) {
	m := container.Mount{Type: string(q.Type), Target: q.Target, ReadOnly: q.ReadOnly, Long: true}
	fill := map[string]func(*container.Mount, mount.Mount) error{
		container.MountBind: fillBind, container.MountVolume: fillVolume, container.MountTmpfs: fillTmpfs, container.MountImage: fillImage,
	}[m.Type]
	err := checkOptions(q)
	switch {
	case fill == nil:
		err = invalid("mount type unknown")
	case q.Target == "":
		err = invalid("field Target must not be empty")
	case err == nil:
		err = fill(&m, q)
	}
	if err == nil && m.Subpath != "" && !filepath.IsLocal(m.Subpath) {
		err = invalid("subpath must be a relative path within the volume")
	}
	if err != nil {
		return m, invalid("invalid mount config for type %q: %w", m.Type, err)
	}
	return m, checkTarget(&m)
}

// checkOptions refuses options of other types of mounts than the one asked for.
func checkOptions(q mount.Mount) error {
	for _, o := range []struct {
		field string
		of    mount.Type
		set   bool
	}{
		{"BindOptions", mount.TypeBind, q.BindOptions != nil}, {"VolumeOptions", mount.TypeVolume, q.VolumeOptions != nil},
		{"ImageOptions", mount.TypeImage, q.ImageOptions != nil}, {"TmpfsOptions", mount.TypeTmpfs, q.TmpfsOptions != nil},
		{"ClusterOptions", mount.TypeCluster, q.ClusterOptions != nil},
	} {
		if o.set && q.Type != o.of {
			return invalid("field %s must not be specified", o.field)
		}
	}
	return nil
}

func fillBind(m *container.Mount, q mount.Mount) error {
	if m.Source = q.Source; m.Source == "" {
		return invalid("field Source must not be empty")
	}
	if !filepath.IsAbs(m.Source) {
		return invalid("invalid mount path: '%s' mount path must be absolute", m.Source)
	}
	o := q.BindOptions
	if o == nil {
		return nil
	}
	m.CreateSource, m.Propagation = o.CreateMountpoint, string(o.Propagation)
	if m.Propagation != "" && !slices.Contains(propagations, m.Propagation) {
		return invalid("invalid propagation mode: %s", m.Propagation)
	}
	asked := 0
	for _, r := range []struct {
		set   bool
		value string
	}{{o.NonRecursive, "disabled"}, {o.ReadOnlyNonRecursive, "writable"}, {o.ReadOnlyForceRecursive, "readonly"}} {
		if r.set {
			m.Recursive = r.value
			asked++
		}
	}
	if asked > 1 {
		return invalid("of NonRecursive, ReadOnlyNonRecursive and ReadOnlyForceRecursive one may be set")
	}
	return checkRecursive(m.Recursive, m.ReadOnly, m.Propagation)
}

func checkRecursive(recursive string, readOnly bool, propagation string) error {
	switch {
	case (recursive == "writable" || recursive == "readonly") && !readOnly:
		return invalid("option 'bind-recursive=%s' requires 'readonly' to be specified in conjunction", recursive)
	case recursive == "readonly" && propagation != "rprivate":
		return invalid("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction")
	}
	return nil
}

func fillVolume(m *container.Mount, q mount.Mount) error {
	m.Name = q.Source
	o := q.VolumeOptions
	if o == nil {
		return nil
	}
	m.NoCopy, m.Subpath, m.Labels = o.NoCopy, o.Subpath, o.Labels
	if m.Subpath != "" && m.Name == "" {
		return invalid("must not set Subpath when using anonymous volumes")
	}
	if o.DriverConfig != nil {
		if name := o.DriverConfig.Name; name != "" && name != VolumeDriver {
			return noPlugin(name)
		}
		m.Options = o.DriverConfig.Options
	}
	return nil
}

func fillImage(m *container.Mount, q mount.Mount) error {
	if m.Source = q.Source; m.Source == "" {
		return invalid("field Source must not be empty")
	}
	m.ReadOnly = true
	if q.ImageOptions != nil {
		m.Subpath = q.ImageOptions.Subpath
	}
	return nil
}

func fillTmpfs(m *container.Mount, q mount.Mount) error {
	if q.Source != "" {
		return invalid("field Source must not be specified")
	}
	o := q.TmpfsOptions
	if o == nil {
		return nil
	}
	if o.SizeBytes < 0 {
		return invalid("invalid size: %d", o.SizeBytes)
	}
	var words []string
	if o.SizeBytes > 0 {
		words = append(words, "size="+strconv.FormatInt(o.SizeBytes, 10))
	}
	if o.Mode != 0 {
		words = append(words, fmt.Sprintf("mode=%o", uint32(o.Mode)))
	}
	for _, kv := range o.Options {
		if len(kv) == 0 || len(kv) > 2 || strings.ContainsAny(strings.Join(kv, ""), ",:") {
			return invalid("invalid tmpfs option %q", kv)
		}
		words = append(words, strings.Join(kv, "="))
	}
	parsed, err := container.ParseTmpfs("/t:" + strings.Join(words, ","))
	m.TmpfsOptions, m.ReadOnly = parsed.TmpfsOptions, m.ReadOnly || parsed.ReadOnly
	return err
}

// longMount is the request that a mount was made of.
func longMount(m container.Mount) mount.Mount {
	q := mount.Mount{Type: mount.Type(m.Type), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
	switch m.Type {
	case container.MountBind:
		o := mount.BindOptions{
			Propagation: mount.Propagation(m.Propagation), CreateMountpoint: m.CreateSource,
			NonRecursive: m.Recursive == "disabled", ReadOnlyNonRecursive: m.Recursive == "writable", ReadOnlyForceRecursive: m.Recursive == "readonly",
		}
		if o != (mount.BindOptions{}) {
			q.BindOptions = &o
		}
	case container.MountVolume:
		if !isAnonymous(m.Name) {
			q.Source = m.Name
		}
		if !m.NoCopy && m.Subpath == "" && len(m.Labels)+len(m.Options) == 0 {
			break
		}
		q.VolumeOptions = &mount.VolumeOptions{NoCopy: m.NoCopy, Subpath: m.Subpath, Labels: m.Labels}
		if len(m.Options) > 0 {
			q.VolumeOptions.DriverConfig = &mount.Driver{Name: VolumeDriver, Options: m.Options}
		}
	case container.MountImage:
		if m.Subpath != "" {
			q.ImageOptions = &mount.ImageOptions{Subpath: m.Subpath}
		}
	case container.MountTmpfs:
		q.TmpfsOptions = tmpfsRequest(m.TmpfsOptions)
	}
	return q
}

func tmpfsRequest(words []string) *mount.TmpfsOptions {
	if len(words) == 0 {
		return nil
	}
	o := &mount.TmpfsOptions{}
	for _, w := range words {
		key, val, has := strings.Cut(w, "=")
		size, serr := strconv.ParseInt(val, 10, 64)
		bits, merr := strconv.ParseUint(val, 8, 32)
		switch {
		case key == "size" && serr == nil:
			o.SizeBytes = size
		case key == "mode" && merr == nil:
			o.Mode = fileMode(bits)
		case has:
			o.Options = append(o.Options, []string{key, val})
		default:
			o.Options = append(o.Options, []string{key})
		}
	}
	return o
}
