package openinferencegrpc

import (
	_ "embed"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// descriptors are those of schema/*.proto. They are in no global registry, where the same messages of
// another package would be an error at start.
//
//go:embed schema/descriptors.binpb
var descriptors []byte

// reflector describes the services to clients.
type reflector struct{ files *protoregistry.Files }

func newReflector() (*reflector, error) {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(descriptors, &set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(&set)
	return &reflector{files}, err
}

// respond responds to a ServerReflectionRequest. A question that has no answer has an error in the
// response, with a code of gRPC.
func (r *reflector) respond(message []byte) ([]byte, error) {
	var host string
	var question field // the last one of a oneof
	err := fields(message, func(f field) error {
		if f.number > 1 && f.kind == protowire.BytesType {
			question = f
		}
		return f.text(1, &host)
	})
	if err != nil {
		return nil, err
	}
	return append(appendBytes(appendString(nil, 1, host), 2, message), r.to(question.number, string(question.bytes))...), nil
}

// to returns the response to a question, which the number of its field says.
func (r *reflector) to(question protowire.Number, about string) []byte {
	const notFound, unimplemented = 5, 12
	var found protoreflect.FileDescriptor
	var err error
	switch question {
	case 3: // file_by_filename
		found, err = r.files.FindFileByPath(about)
	case 4: // file_containing_symbol
		var symbol protoreflect.Descriptor
		if symbol, err = r.files.FindDescriptorByName(protoreflect.FullName(about)); err == nil {
			found = symbol.ParentFile()
		}
	case 7: // list_services
		return appendBytes(nil, 6, appendBytes(appendBytes(nil, 1, appendString(nil, 1, inferenceService)), 1, appendString(nil, 1, healthService)))
	case 5, 6: // extensions
		return failed(notFound, "there are no extensions")
	default:
		return failed(unimplemented, fmt.Sprintf("there is no question with the number %d", question))
	}
	var file []byte
	if err == nil {
		file, err = proto.Marshal(protodesc.ToFileDescriptorProto(found))
	}
	if err != nil {
		return failed(notFound, fmt.Sprintf("there is no %.100q", about))
	}
	return appendBytes(nil, 4, appendBytes(nil, 1, file))
}

func failed(code uint64, message string) []byte {
	content := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), code)
	return appendBytes(nil, 7, appendString(content, 2, message))
}
