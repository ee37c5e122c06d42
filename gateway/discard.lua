-- Throws away the body of a request as it comes.

function envoy_on_request(handle)
  for chunk in handle:bodyChunks() do chunk:setBytes("") end
end
