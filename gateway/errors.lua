-- Turns what the transcoder answers into the public form: x-http-status becomes the status, x-error-detail the body,
-- and nothing of gRPC is left. Answers to native gRPC callers pass unchanged.

local INTERNAL_HEADERS = {
  "grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-accept-encoding",
  "x-http-status", "x-error-detail", "x-refused-request", "x-refused-because",
}

-- What the transcoder calls the type of a parameter -> what validation calls it: {type, msg}.
local PARAMETER_RULES = {
  TYPE_INT32 = {"int_parsing", "Input should be a valid integer"},
  TYPE_INT64 = {"int_parsing", "Input should be a valid integer"},
  TYPE_BOOL = {"bool_parsing", "Input should be a valid boolean"},
  TYPE_FLOAT = {"float_parsing", "Input should be a valid number"},
  TYPE_DOUBLE = {"float_parsing", "Input should be a valid number"},
}

local function set_body(handle, text)
  local length = handle:body(true):setBytes(text)
  handle:headers():replace("content-length", length)
  handle:headers():replace("content-type", "application/json")
end

-- An object is a whole body; anything else is the value of "detail".
local function error_body(detail)
  if detail:sub(1, 1) == "{" then return detail end
  return '{"detail":' .. detail .. "}"
end

-- The body of a gRPC error that did not bring one: {"code":5,"message":"…","details":[…]} from the transcoder.
local function status_body(text)
  local message = text:match('"message":(".-"),"details":') or text:match('"message":(".*")}')
  return '{"detail":' .. (message or '"Internal Server Error"') .. "}"
end

-- A parameter that the transcoder could not read: `limit: invalid value "x" for type TYPE_INT32`.
local function parameter_body(reason)
  local name, kind = reason:match('"([%w_.]+): invalid value .* for type ([%w_]+)"')
  local rule = PARAMETER_RULES[kind] or {"value_error", "Input cannot be read"}
  local loc = name and '["query","' .. name .. '"]' or '["query"]'
  return string.format('{"detail":[{"type":"%s","loc":%s,"msg":"%s"}]}', rule[1], loc, rule[2])
end

-- The methods that a path has, sorted; nil if there is no such path.
local function allowed_methods(handle, path)
  local found = {}
  for method, patterns in pairs(handle:filterContext()) do
    for _, pattern in ipairs(patterns) do
      if path:find(pattern) then
        table.insert(found, method)
        break
      end
    end
  end
  table.sort(found)
  return #found > 0 and table.concat(found, ", ") or nil
end

-- Requests for which there is no operation; `request` holds method and path.
local function answer_refused(handle, request)
  local headers = handle:headers()
  local method, path = request:match("^(%S+) ([^?]*)")
  local allowed = allowed_methods(handle, path)
  if allowed then
    headers:replace(":status", "405")
    headers:replace("allow", allowed)
    if method == "HEAD" then return end -- a body would stand in front of the next answer
    set_body(handle, '{"detail":"Method Not Allowed"}')
  end
end

-- Requests that cannot be read: by the transcoder, or at all.
local function answer_unreadable(handle, reason)
  if not reason:find("transcode") then return set_body(handle, '{"detail":"The request is not valid HTTP."}') end
  handle:headers():replace(":status", "422")
  local body = handle:body(true)
  set_body(handle, parameter_body(body:getBytes(0, body:length())))
end

local function answer_error(handle, detail)
  if detail then return set_body(handle, error_body(detail)) end
  local body = handle:body(true)
  local text = body:getBytes(0, body:length())
  if text:find('^{"code":') then set_body(handle, status_body(text)) end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local refused, detail = headers:get("x-refused-request"), headers:get("x-error-detail")
  if (headers:get("content-type") or ""):find("^application/grpc") then
    headers:remove("x-refused-request")
    headers:remove("x-refused-because")
    return
  end

  local unreadable, status = headers:get("x-refused-because"), headers:get("x-http-status")
  if status then headers:replace(":status", status) end
  for _, name in ipairs(INTERNAL_HEADERS) do headers:remove(name) end

  if refused then
    answer_refused(handle, refused)
  elseif unreadable then
    answer_unreadable(handle, unreadable)
  elseif detail or tonumber(headers:get(":status")) >= 400 then
    answer_error(handle, detail)
  elseif status == "204" then
    headers:remove("content-type")
    headers:remove("content-length")
  end
end
