/**
 * Removes what must never be printed from a text: the password of a URL, the value of an Authorization
 * header, token and signature query parameters, and control characters (which could hide any of them).
 */
export function redact(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '')
    .replace(/([a-z][a-z0-9+.-]{0,20}:\/\/[^/\s:@]{0,256}):[^@/\s]{1,1024}@/gi, '$1:***@')
    .replace(/\b(basic|bearer)[ \t]+[a-z0-9+/_.~=-]{8,}/gi, '$1 ***')
    .replace(/([?&](?:token|access_token|signature|sig|x-amz-[a-z-]+|_state)=)[^&\s"]+/gi, '$1***')
}
