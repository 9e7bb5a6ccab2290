/**
 * Frontends turn a description of images into plans (graph/): one function, `createDockerfileFrontend()`, gives the
 * one for Dockerfiles. Pipeline: lines → directives and instructions (parser) → typed instructions → stages → what
 * the target reaches, expanded and converted to vertices and an image config. A frontend sees base images through
 * a ConfigResolver only: it knows no registry, reads no file, and runs nothing.
 */
export { createDockerfileFrontend } from './dockerfile/frontend.ts'
export { standIn } from './dockerfile/stand-in-images.ts'
