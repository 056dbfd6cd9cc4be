// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"encoding/json"
	"strings"
	"testing"

	"coracle/internal/testutil"
	"coracle/pkg/doctor"
)

// doctorOf is what the doctor says, by the rows' names, and its exit code.
func doctorOf(t *testing.T, r testutil.Result) (map[string]doctor.Row, int) {
	t.Helper()
	var report doctor.Report
	if err := json.Unmarshal([]byte(r.Out), &report); err != nil {
		t.Fatalf("%v\n%s", err, r.All())
	}
	rows := map[string]doctor.Row{}
	for _, row := range report {
		if _, twice := rows[string(row.Name)]; twice || row.Name == "" {
			t.Errorf("%q stands twice", row.Name)
		}
		rows[string(row.Name)] = row
	}
	return rows, r.Code
}

// On a host where containers run the doctor finds nothing that they need missing,
// and leaves nothing behind.
func TestDoctorOnThisHost(t *testing.T) {
	h := newHost(t)
	rows, code := doctorOf(t, h.run("$C doctor --format json"))
	for name, row := range rows {
		if row.Needed && row.State != doctor.Yes {
			t.Errorf("%s: %+v", name, row)
		}
		if row.State == doctor.Partly && (row.Found == "" || row.Lost+row.Instead == "") {
			t.Errorf("%s is there partly, and what of it? %+v", name, row)
		}
	}
	if code != 0 {
		t.Errorf("code %d", code)
	}
	r := h.run("ls -A .local/share/coracle/tmp; $C doctor; $C doctor -q --format '{{.Name}}'")
	testutil.Contains(t, r.Out, "ABILITY", "user namespaces", "overlay")
	if strings.HasPrefix(r.Out, "volume-") || strings.HasPrefix(r.Out, "trash-") || r.Code != 0 {
		t.Error(r.All())
	}
}

// Who asks for rows gets those, and the code is about them.
func TestDoctorNamed(t *testing.T) {
	h := newHost(t)
	r := h.run("$C doctor --format '{{.Name}}' user namespaces; $C doctor --format '{{.Name}}' overlay 'low ports'; $C doctor nothing; echo $?")
	if want := "user namespaces\noverlay\nlow ports\n1\n"; r.Out != want || !strings.Contains(r.Err, "no such ability: nothing") {
		t.Errorf("%s", r.All())
	}
	r = h.spoilt("echo 0 >/proc/sys/user/max_user_namespaces", "$C doctor -q ping >/dev/null; echo $?; $C doctor -q user namespaces >/dev/null; echo $?")
	if r.Out != "0\n1\n" {
		t.Errorf("%s", r.All())
	}
}

// Without user namespaces the doctor says who can change that, and that the rest
// is not known.
func TestDoctorWithoutUserNamespaces(t *testing.T) {
	h := newHost(t)
	rows, code := doctorOf(t, h.spoilt("echo 0 >/proc/sys/user/max_user_namespaces", "$C doctor --format json"))
	if r := rows["user namespaces"]; r.State != doctor.No || !strings.Contains(r.Remedy, "sysctl user.max_user_namespaces=") || code != 1 {
		t.Errorf("code %d, %+v", code, r)
	}
	if r := rows["overlay"]; r.State != doctor.Unknown || r.Remedy != "" {
		t.Errorf("%+v", r)
	}
	r := h.spoilt("echo 0 >/proc/sys/user/max_user_namespaces", "$C doctor -q")
	testutil.Contains(t, r.Out, "user namespaces        NO", "remedy:  ")
}

// What keeps the store from being opened has a row of its own.
func TestDoctorWithoutRunDirectory(t *testing.T) {
	h := newHost(t)
	rows, code := doctorOf(t, h.run("TMPDIR=/nosuch $C doctor --format json"))
	if r := rows["run directory"]; r.State != doctor.No || !strings.Contains(r.Remedy, "TMPDIR is /nosuch, where nothing is: unset it") || code != 1 {
		t.Errorf("code %d, %+v", code, r)
	}
	if r := rows["store"]; r.State != doctor.Unknown || r.Found != "there is no run directory" {
		t.Errorf("%+v", r)
	}
}

// unshare -U alone makes a user namespace in which its program is nobody.
func TestDoctorWithoutMap(t *testing.T) {
	h := newHost(t)
	rows, code := doctorOf(t, h.run("unshare -U $C doctor --format json"))
	if r := rows["user namespaces"]; r.State != doctor.No || !strings.Contains(r.Remedy, "--map-root-user") || code != 1 {
		t.Errorf("code %d, %+v", code, r)
	}
}

// In a container of somebody else /proc is covered in part.
func TestDoctorWithCoveredProc(t *testing.T) {
	h := newHost(t)
	rows, _ := doctorOf(t, h.spoilt(cover, "$C doctor --format json"))
	if r := rows["proc"]; r.State == doctor.Yes || !strings.Contains(r.Remedy, "systempaths=unconfined") {
		t.Errorf("%+v", r)
	}
}

// A store where no directory can be made is named.
func TestDoctorWithoutStore(t *testing.T) {
	h := newHost(t)
	rows, code := doctorOf(t, h.run("chmod 500 .; TMPDIR=$PWD $C doctor --format json; r=$?; chmod 700 .; exit $r"))
	if r := rows["store"]; r.State != doctor.No || !strings.Contains(r.Remedy, "--root") || code != 1 {
		t.Errorf("code %d, %+v", code, r)
	}
	if r := rows["user namespaces"]; r.State != doctor.Yes {
		t.Errorf("%+v", r)
	}
	rows, code = doctorOf(t, h.run("chmod 500 .; $C doctor --format json; r=$?; chmod 700 .; exit $r"))
	if r := rows["store"]; r.State != doctor.Partly || !strings.Contains(r.Instead, "/store on ") || code != 0 {
		t.Errorf("in the temporary space: code %d, %+v", code, r)
	}
	rows, code = doctorOf(t, h.run("mkdir x && chmod 500 . && $C --root $PWD/x doctor --format json; r=$?; chmod 700 .; exit $r"))
	if r := rows["overlay"]; r.State != doctor.Yes || code != 0 {
		t.Errorf("code %d, %+v", code, r)
	}
}

// The profile is for the program where it is.
func TestProfileOfAppArmor(t *testing.T) {
	h := newHost(t)
	r := h.run(`mkdir 'a b' && cp "$C" 'a b/coracle' && './a b/coracle' doctor --apparmor-profile`)
	testutil.Contains(t, r.Out, `profile coracle "`+h.home+`/a b/coracle" flags=(unconfined) {`)
}
