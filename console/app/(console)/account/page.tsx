export { ProfilePage as default } from "@/features/account/profile";
