export { ProjectList as default } from "@/features/projects/list";
