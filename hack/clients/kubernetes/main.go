// SPDX-License-Identifier: Apache-2.0

// Kubernetes checks the documents of files as a cluster's API server does:
// against the OpenAPI schema, without fields that it does not have, and by the rules
// for values. It prints what is wrong, each with the document, and ends with 1.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/util/proto"
	protovalidation "k8s.io/kube-openapi/pkg/util/proto/validation"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	pods "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	batchvalidation "k8s.io/kubernetes/pkg/apis/batch/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/capabilities"
	"k8s.io/kubernetes/pkg/generated/openapi"
	"sigs.k8s.io/yaml"
)

func main() {
	models, err := schema()
	if err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(2)
	}
	capabilities.Initialize(capabilities.Capabilities{AllowPrivileged: true})
	decoder := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDecoder()
	failed := false
	for _, name := range os.Args[1:] {
		bad, err := checkFile(models, decoder, name)
		if err != nil {
			bad = append(bad, err.Error())
		}
		for _, text := range bad {
			fmt.Printf("%s: %s\n", name, text)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// checkFile returns what is wrong with the documents of a file.
func checkFile(models proto.Models, decoder runtime.Decoder, file string) (bad []string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	documents, seen := kubeyaml.NewYAMLReader(bufio.NewReader(f)), map[string]bool{}
	for {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) && len(seen) == 0 {
			return append(bad, "there is no document"), nil
		}
		if errors.Is(err, io.EOF) {
			return bad, nil
		}
		var object map[string]any
		if err == nil {
			err = yaml.UnmarshalStrict(text, &object)
		}
		if err != nil {
			return bad, err
		}
		if object == nil {
			continue // comments alone
		}
		metadata, _ := object["metadata"].(map[string]any)
		name := fmt.Sprint(object["kind"], " ", metadata["name"])
		for _, err := range check(models, decoder, text, object) {
			bad = append(bad, fmt.Sprintf("%s: %v", name, err))
		}
		if seen[name] {
			bad = append(bad, name+": is there twice")
		}
		seen[name] = true
	}
}

// schema is Kubernetes' OpenAPI schema.
func schema() (proto.Models, error) {
	name := func(s string) string { return util.ToRESTFriendlyName(s) }
	swagger := spec.Swagger{SwaggerProps: spec.SwaggerProps{
		Definitions: spec.Definitions{}, Info: &spec.Info{InfoProps: spec.InfoProps{Title: "Kubernetes", Version: "1"}},
		Swagger: "2.0", Paths: &spec.Paths{},
	}}
	for k, v := range openapi.GetOpenAPIDefinitions(func(s string) spec.Ref { return spec.MustCreateRef("#/definitions/" + name(s)) }) {
		s := v.Schema
		if v2, ok := s.Extensions[common.ExtensionV2Schema].(spec.Schema); ok {
			s = v2
		}
		// Others refer to what is not in the schema.
		if n := name(k); !strings.HasSuffix(n, ".InternalEvent") && (strings.HasPrefix(n, "io.k8s.api.") || strings.HasPrefix(n, "io.k8s.apimachinery.")) {
			swagger.Definitions[n] = s
		}
	}
	text, err := json.Marshal(&swagger)
	if err != nil {
		return nil, err
	}
	document, err := openapi_v2.ParseDocument(text)
	if err != nil {
		return nil, err
	}
	return proto.NewOpenAPIData(document)
}

func check(models proto.Models, decoder runtime.Decoder, text []byte, object map[string]any) (list []error) {
	version, _ := object["apiVersion"].(string)
	if version == "v1" {
		version = "core/v1"
	}
	model := "io.k8s.api." + strings.ReplaceAll(version, "/", ".") + "." + fmt.Sprint(object["kind"])
	if s := models.LookupModel(model); s != nil {
		list = protovalidation.ValidateModel(object, s, fmt.Sprint(object["kind"]))
	} else {
		list = append(list, fmt.Errorf("the schema has no %s", model))
	}
	decoded, _, err := decoder.Decode(text, nil, nil)
	if err != nil {
		return append(list, err)
	}
	for _, err := range rules(decoded) {
		list = append(list, err)
	}
	return list
}

// rules are the server's for values.
func rules(object runtime.Object) field.ErrorList {
	switch o := object.(type) {
	case *core.ConfigMap:
		o.Namespace = "default"
		return corevalidation.ValidateConfigMap(o)
	case *core.Secret:
		o.Namespace = "default"
		return corevalidation.ValidateSecret(o)
	case *core.PersistentVolumeClaim:
		o.Namespace = "default"
		return corevalidation.ValidatePersistentVolumeClaim(o, corevalidation.ValidationOptionsForPersistentVolumeClaim(o, nil))
	case *core.Service:
		o.Namespace = "default"
		if o.Spec.ClusterIP != "" {
			o.Spec.ClusterIPs = []string{o.Spec.ClusterIP} // as the server does first
		}
		return corevalidation.ValidateServiceCreate(o)
	case *core.Pod:
		o.Namespace = "default"
		return corevalidation.ValidatePodCreate(o, pods.GetValidationOptionsFromPodSpecAndMeta(&o.Spec, nil, &o.ObjectMeta, nil))
	case *apps.Deployment:
		o.Namespace = "default"
		return appsvalidation.ValidateDeployment(o, pods.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	case *apps.DaemonSet:
		o.Namespace = "default"
		return appsvalidation.ValidateDaemonSet(o, pods.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	case *batch.Job:
		// A template: the selector is the server's own.
		t := &batch.JobTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}
		return batchvalidation.ValidateJobTemplateSpec(t, nil, pods.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	}
	return field.ErrorList{field.InternalError(nil, fmt.Errorf("no rules for %T", object))}
}
