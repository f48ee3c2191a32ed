package otlp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// check returns an error if the response to an accepted request reports a partial
// success, or is not OTLP.
func (r Response) check() error {
	decode := partialOfProtobuf
	if r.JSON {
		decode = partialOfJSON
	}
	rejected, message, err := decode(r.Body)
	switch {
	case err != nil:
		return &Error{Reason: ReasonInvalidResponse, Err: fmt.Errorf("the collector's response is not OTLP: %w", err)}
	case rejected > 0:
		return &Error{Reason: ReasonPartial, Err: fmt.Errorf("the collector rejected %d items: %s", rejected, excerpt(message)), rejected: rejected}
	}
	return nil // by the specification, a message alone is only advice; less than 0 means nothing
}

// Responses of all signals have one field, partial_success, whose fields are the
// number of rejected items and a message. The generated types are not used, because
// their packages link gRPC.

// partialOfProtobuf returns the partial success of a protobuf response.
func partialOfProtobuf(body []byte) (rejected int64, message string, err error) {
	err = eachField(body, func(field protowire.Number, _ uint64, partial []byte) error {
		if field != 1 {
			return nil
		}
		return eachField(partial, func(field protowire.Number, number uint64, bytes []byte) error {
			switch field {
			case 1:
				rejected = int64(number)
			case 2:
				message = string(bytes)
			}
			return nil
		})
	})
	return rejected, message, err
}

// eachField calls do for each field of a message, with its number or its bytes.
func eachField(message []byte, do func(field protowire.Number, number uint64, bytes []byte) error) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var number uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(field, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := do(field, number, bytes); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}

// partialOfJSON returns the partial success of a JSON response, which some
// collectors send although the request was protobuf.
func partialOfJSON(body []byte) (int64, string, error) {
	var response struct {
		PartialSuccess struct {
			RejectedDataPoints json.Number `json:"rejectedDataPoints"`
			RejectedSpans      json.Number `json:"rejectedSpans"`
			RejectedLogRecords json.Number `json:"rejectedLogRecords"`
			ErrorMessage       string      `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if err := json.Unmarshal(body, &response); err != nil {
		return 0, "", err
	}
	partial := response.PartialSuccess
	var rejected int64
	for _, number := range []json.Number{partial.RejectedDataPoints, partial.RejectedSpans, partial.RejectedLogRecords} {
		if number == "" {
			continue
		}
		n, err := strconv.ParseInt(number.String(), 10, 64)
		if err != nil {
			return 0, "", errors.New("the number of rejected items is not an integer")
		}
		rejected += n
	}
	return rejected, partial.ErrorMessage, nil
}

// excerpt returns the beginning of s, a collector's message, in quotes.
func excerpt[S string | []byte](s S) string {
	const most = 300
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
