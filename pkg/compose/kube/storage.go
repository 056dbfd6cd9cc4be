// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"encoding/base64"
	"io/fs"
	"path"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"coracle/pkg/compose/convert"
)

// room is what a ConfigMap or Secret may hold, in bytes, with some for what else is
// in the object: the API refuses more than 1 MiB.
const room = 1000 << 10

func same(a, b volume) bool { return reflect.DeepEqual(a, b) }

// storage gives a container its mounts: those of volumes win, as they do for compose.
func (p *pod) storage(c *container, s types.ServiceConfig) {
	for _, v := range s.Volumes {
		p.mount(c, s, v)
	}
	for _, from := range s.VolumesFrom {
		p.volumesFrom(c, s, from)
	}
	for _, t := range s.Tmpfs {
		target, options, _ := strings.Cut(t, ":")
		p.memory(c, s, "tmpfs", target, options)
	}
	if s.ShmSize > 0 {
		v := volume{Empty: &empty{"Memory", size(int64(s.ShmSize))}}
		mounted(c, mount{Name: p.volume(s.Name+"-shm", v, false), Path: "/dev/shm"})
	}
	for _, ref := range s.Configs {
		p.object(c, s, "config", types.FileReferenceConfig(ref), types.FileObjectConfig(p.p.Configs[ref.Source]))
	}
	for _, ref := range s.Secrets {
		p.object(c, s, "secret", types.FileReferenceConfig(ref), types.FileObjectConfig(p.p.Secrets[ref.Source]))
	}
}

// volumeOf is what a pod's volume for a place in a service's container is called.
func volumeOf(s types.ServiceConfig, place string) string {
	return strings.TrimRight(s.Name+"-"+strings.Trim(place, "/."), "-")
}

// volumesFrom gives a container the volumes of another service's.
func (p *pod) volumesFrom(c *container, s types.ServiceConfig, from string) {
	name, mode, _ := strings.Cut(from, ":")
	other, ok := p.p.Services[name]
	if !ok {
		p.say(s, "volumes_from", "%s: not carried over: it is no service", from)
		return
	}
	for _, v := range other.Volumes {
		v.ReadOnly = v.ReadOnly || mode == "ro"
		p.mount(c, s, v)
	}
}

// memory mounts an emptyDir of memory in the place of a tmpfs.
func (p *pod) memory(c *container, s types.ServiceConfig, key, target, options string) {
	v, m := volume{Empty: &empty{Medium: "Memory"}}, mount{Path: target}
	for _, opt := range strings.FieldsFunc(options, func(r rune) bool { return r == ',' }) {
		name, value, _ := strings.Cut(opt, "=")
		n, err := units.RAMInBytes(value)
		switch {
		case name == "size" && err == nil && n > 0:
			v.Empty.Size = size(n)
		case name == "ro":
			m.ReadOnly = true
		case slices.Contains([]string{"rw", "exec", "nosuid", "nodev", "noexec"}, name): // as it is, or nearly
		default:
			p.say(s, key, "%s: %s: not carried over: an emptyDir has a size alone", target, opt)
		}
	}
	if m.Name = p.volume(volumeOf(s, target), v, false); !mounted(c, m) {
		p.spec.Volumes = p.spec.Volumes[:len(p.spec.Volumes)-1]
	}
}

// mount is one of a service's volumes.
func (p *pod) mount(c *container, s types.ServiceConfig, v types.ServiceVolumeConfig) {
	m := mount{Path: v.Target, ReadOnly: v.ReadOnly}
	switch {
	case strings.Contains(v.Target, ":"):
		p.say(s, "volumes", "%s: not carried over: no path in a pod has a colon", v.Target)
		return
	case v.Type == types.VolumeTypeBind:
		p.bind(c, s, v)
		return
	case v.Type == types.VolumeTypeTmpfs:
		options := ""
		if v.Tmpfs != nil && v.Tmpfs.Size > 0 {
			options = "size=" + size(int64(v.Tmpfs.Size))
		}
		p.memory(c, s, "volumes", v.Target, strings.TrimSuffix(options, "i"))
		return
	case v.Type == types.VolumeTypeVolume && v.Source == "":
		p.say(s, "volumes", "%s: what is in it ends with its pod: give the volume a name to keep it", v.Target)
		m.Name = p.volume(volumeOf(s, v.Target), volume{Empty: &empty{}}, false)
	case v.Type == types.VolumeTypeVolume:
		m.Name = p.volume(v.Source, volume{Claim: &claim{p.claimName(v.Source)}}, true)
		if v.Volume != nil {
			m.SubPath = v.Volume.Subpath
		}
	case v.Type == types.VolumeTypeImage:
		m.ReadOnly = true
		m.Name = p.volume(volumeOf(s, v.Target), volume{Image: &image{v.Source, "IfNotPresent"}}, true)
		if v.Image != nil {
			m.SubPath = v.Image.SubPath
		}
	default:
		p.say(s, "volumes", "%s: not carried over: a volume of type %s is none of Kubernetes'", v.Target, v.Type)
		return
	}
	mounted(c, m)
}

// bind is a file or a directory of the host: a file goes along in a ConfigMap where
// it is small enough, anything else has to be on the node.
func (p *pod) bind(c *container, s types.ServiceConfig, v types.ServiceVolumeConfig) {
	if p.o.ReadFile != nil {
		data, mode, err := p.o.ReadFile(v.Source, room)
		if err == nil && mode.IsRegular() {
			if object, key, ok := p.keep(s, v.Source, data); ok {
				var bits *int
				if n := int(mode.Perm()); n&0o111 != 0 {
					bits = &n
				}
				p.say(s, "volumes", "%s: its text of now is in the ConfigMap %s: what changes here does not reach the cluster", v.Source, object)
				mounted(c, mount{p.volume(object, volume{ConfigMap: &configMap{object, bits}}, true), v.Target, key, true})
				return
			}
		}
	}
	p.say(s, "volumes", "%s: it has to be on every node that the pod may run on", v.Source)
	host := hostPath{Path: path.Clean(v.Source)}
	if v.Bind != nil && bool(v.Bind.CreateHostPath) && !strings.HasSuffix(v.Source, ".sock") {
		host.Type = "DirectoryOrCreate"
		if p.o.ReadFile != nil {
			if _, mode, _ := p.o.ReadFile(v.Source, 0); mode&fs.ModeDir == 0 && mode != 0 {
				host.Type = ""
			}
		}
	}
	mounted(c, mount{Name: p.volume(volumeOf(s, path.Base(v.Source)), volume{Host: &host}, true), Path: v.Target, ReadOnly: v.ReadOnly})
}

// keep puts a file into the ConfigMap of a service's files, if there is room.
func (p *pod) keep(s types.ServiceConfig, source string, data []byte) (object, key string, ok bool) {
	o := p.files[s.Name]
	if o == nil {
		o = &Object{APIVersion: "v1", Kind: "ConfigMap", Metadata: Meta{Labels: p.labels(p.u.ServiceConfig)}, Data: map[string]string{}, BinaryData: map[string]string{}}
		p.files[s.Name] = o
	}
	length := len(data)
	for _, all := range []map[string]string{o.Data, o.BinaryData} {
		for _, text := range all {
			length += len(text)
		}
	}
	if length > room*3/4 { // base64 takes 4 for 3
		return "", "", false
	}
	key = keyForm(path.Base(source))
	for text, there := o.content(key); there && text != encoded(data); text, there = o.content(key) {
		key = "x" + key
	}
	if object = o.Metadata.Name; object == "" {
		object = p.name("ConfigMap", s.Name+"-files", p.of(s)+"'s files")
		o.Metadata.Name = object
	}
	o.put(key, data, o.Data, o.BinaryData)
	p.replace(*o)
	return object, key, true
}

// replace adds an object, or takes the place of the one with its name.
func (d *draft) replace(o Object) {
	for i, have := range d.out.Objects {
		if have.Kind == o.Kind && have.Metadata.Name == o.Metadata.Name {
			d.out.Objects[i] = o
			return
		}
	}
	d.add(o)
}

// content is what an object has under a key, as it is written.
func (o *Object) content(key string) (string, bool) {
	if text, ok := o.Data[key]; ok {
		return text, ok
	}
	text, ok := o.BinaryData[key]
	return text, ok
}

// encoded is data as it stands in an object: text, or base64.
func encoded(data []byte) string {
	if isText(data) {
		return string(data)
	}
	return base64.StdEncoding.EncodeToString(data)
}

func isText(data []byte) bool {
	return utf8.Valid(data) && !slices.ContainsFunc(data, func(b byte) bool { return b < ' ' && b != '\n' && b != '\t' || b == 0x7f })
}

func (o *Object) put(key string, data []byte, text, binary map[string]string) {
	if isText(data) {
		text[key] = string(data)
	} else {
		binary[key] = base64.StdEncoding.EncodeToString(data)
	}
}

// object mounts a configuration or a secret, as one file of an object.
func (p *pod) object(c *container, s types.ServiceConfig, what string, ref types.FileReferenceConfig, def types.FileObjectConfig) {
	external := bool(def.External)
	def.External = false
	var f convert.File
	var err error
	kind := "ConfigMap"
	if what == "secret" {
		kind = "Secret"
		f, _, err = convert.SecretFile(withSecret(p.p, ref.Source, def), types.ServiceSecretConfig(ref))
	} else {
		f, _, err = convert.ConfigFile(withConfig(p.p, ref.Source, def), types.ServiceConfigObjConfig(ref))
	}
	if err != nil {
		p.fail("%s: %w", p.of(s), err)
		return
	}
	called := ref.Source
	if external && def.Name != "" {
		called = def.Name
	}
	name, key := p.name(kind, called, what+" "+ref.Source), keyForm(ref.Source)
	if external {
		p.note(what, ref.Source, "external", "the %s %s has to be there, with the key %s", kind, name, key)
	} else {
		p.text(kind, what, name, key, ref.Source, f)
	}
	v := volume{ConfigMap: &configMap{Name: name}}
	if what == "secret" {
		v = volume{Secret: &secret{Name: name}}
	}
	if ref.Mode != nil {
		bits := int(f.Mode & 0o777)
		if what == "secret" {
			v.Secret.Mode = &bits
		} else {
			v.ConfigMap.Mode = &bits
		}
	}
	if slices.ContainsFunc(c.Mounts, func(m mount) bool { return m.Path == f.Target }) {
		return
	}
	mounted(c, mount{p.volume(name, v, true), f.Target, key, true})
}

// text adds the object that a configuration or a secret is.
func (p *pod) text(kind, what, name, key, source string, f convert.File) {
	data := []byte(f.Content)
	if f.Source != "" {
		var mode fs.FileMode
		var err error
		if p.o.ReadFile != nil {
			data, mode, err = p.o.ReadFile(f.Source, room)
		}
		if err != nil {
			p.fail("%s %s: %w", what, source, err)
			return
		}
		if !mode.IsRegular() && p.o.ReadFile != nil {
			p.fail("%s %s: %s is no file of at most %s", what, source, f.Source, size(room))
			return
		}
	}
	o := Object{APIVersion: "v1", Kind: kind, Metadata: Meta{Name: name, Labels: p.partOf()}}
	text, binary := map[string]string{}, map[string]string{}
	o.put(key, data, text, binary)
	if o.BinaryData = binary; kind == "Secret" {
		o.Type, o.StringData, o.Data, o.BinaryData = "Opaque", text, binary, nil
	} else {
		o.Data = text
	}
	p.replace(o)
}

// partOf are the labels of what no service has for itself.
func (d *draft) partOf() map[string]string {
	if project := label(d.p.Name); project != "" {
		return map[string]string{"app.kubernetes.io/part-of": project}
	}
	return nil
}

func withSecret(p *types.Project, key string, def types.FileObjectConfig) *types.Project {
	return &types.Project{Environment: p.Environment, Secrets: types.Secrets{key: types.SecretConfig(def)}}
}

func withConfig(p *types.Project, key string, def types.FileObjectConfig) *types.Project {
	return &types.Project{Environment: p.Environment, Configs: types.Configs{key: types.ConfigObjConfig(def)}}
}
